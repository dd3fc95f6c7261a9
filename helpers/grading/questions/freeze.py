"""Exercise `freeze`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.keras_question import (
    KerasQuestion,
    as_array,
    compile_quietly,
    normalization_layers,
    returned_model,
)
from helpers.grading.observing import Noted, Remark
from helpers.grading.question import Misconception


def _freeze_with(*, compile_again=True, choose=normalization_layers, momentum=None):
    def freeze(model):
        for layer in choose(model):
            if momentum is None:
                layer.trainable = False
            else:
                layer.momentum = momentum
        if compile_again:
            compile_quietly(model)
        return model

    return freeze


def _other_layers(model):
    found = []
    for layer in model.layers:
        found += (
            _other_layers(layer) if hasattr(layer, "layers") else [] if hasattr(layer, "moving_variance") else [layer]
        )
    return found


def _outer_batchnorms(model):
    return [layer for layer in model.layers if hasattr(layer, "moving_variance")]


COMPILE_ONCE = "The nested model was never compiled. Compile once, at the end, and only the outer model."


class Freeze(KerasQuestion):
    id = "freeze"
    short = "frz"
    title = "Freeze BatchNorm for fine-tuning"
    points = 5
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "Freezing, and the compile-again trap"
    wanted = "a function `freeze(model)`"
    hints = (
        "In Keras `trainable = False` puts a BatchNorm layer in inference mode. Which layers of the model need it? "
        "Look into a model inside the model too.",
        "Set `layer.trainable = False` on every `BatchNormalization`, nested ones included, then compile again: "
        "a model that was compiled before keeps its old training step.",
    )
    explains = (
        ("has no attribute 'optimizer'", COMPILE_ONCE),
        ("has no attribute 'loss'", COMPILE_ONCE),
    )
    try_first = "Freeze, call `fit` for one epoch, and print the moving means before and after. Did any move?"

    @staticmethod
    def reference(model):
        import keras

        def batchnorms(model):
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    yield layer
                elif isinstance(layer, keras.Model):
                    yield from batchnorms(layer)

        for layer in batchnorms(model):
            layer.trainable = False
        model.compile(optimizer=model.optimizer, loss=model.loss)
        return model

    misconceptions = (
        Misconception(
            "You set `trainable = False`, but you did not compile again. The compiled training step is the "
            "old one and still "
            "moves the averages. Call `model.compile(optimizer=model.optimizer, loss=model.loss)` afterwards.",
            _freeze_with(compile_again=False),
        ),
        Misconception(
            "The whole model is frozen, so there is nothing left to fine-tune. Freeze the BatchNorm layers only.",
            _freeze_with(choose=lambda model: [model]),
        ),
        Misconception(
            "You froze the nested model with its Dense layers. Freeze its BatchNorm only.",
            _freeze_with(choose=lambda model: [layer for layer in model.layers if not hasattr(layer, "kernel")]),
        ),
        Misconception(
            "The BatchNorm inside the nested model is not frozen: a loop over `model.layers` does not look into it. "
            "Go through the layers of nested models too.",
            _freeze_with(choose=_outer_batchnorms),
        ),
        Misconception(
            "Two things are missing: the model is not compiled again, so the old training step goes on, and a loop "
            "over `model.layers` does not look into the nested model. `trainable = False` itself is right.",
            _freeze_with(choose=_outer_batchnorms, compile_again=False),
        ),
        Misconception(
            "With momentum 1 the moving averages stay, but in `fit` BatchNorm still normalises with the "
            "statistics of each batch. "
            "Inference mode is `layer.trainable = False`.",
            _freeze_with(momentum=1.0),
        ),
        Misconception(
            "It is the other way round: BatchNorm still trains, and the other layers are frozen. "
            "Set `trainable = False` on the BatchNorm layers.",
            _freeze_with(choose=_other_layers),
        ),
        Misconception(
            "Nothing is frozen: after your function BatchNorm still uses and moves its statistics in `fit`. "
            "Set `layer.trainable = False` on each BatchNorm layer and compile again.",
            lambda model: model,
        ),
    )

    def probes(self, answer):
        outputs = (
            "which moving averages moved",
            "which use batch statistics",
            "which gammas and betas moved",
            "which kernels moved",
            "whether freezing changed a weight",
        )
        return [
            Probe(
                "fit after freezing",
                outputs=outputs,
                tolerance=1e-6,
                call=_fit_frozen,
                say=_describe_frozen,
                split=(
                    ("further `fit` leaves the moving averages as they are", 2),
                    ("every BatchNorm is in inference mode, in training too", 2),
                    ("gamma and beta stay with their statistics", 0.5),
                    ("the other layers can still learn", 1),
                    ("freezing itself changes no weight", 0.5),
                ),
            )
        ]


def _fit_frozen(freeze, given):
    """What a freeze does to a nested model, step by step as a learner would call it: one story, told in one place."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(9)
    base = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Activation("relu")]
    )
    model = keras.Sequential([keras.Input((3,)), base, layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    compile_quietly(model)
    x = np.random.default_rng(2).normal(3, 2, (16, 3)).astype(np.float32)
    model.fit(x, x[:, :1], batch_size=8, shuffle=False, verbose=0)
    learned = [as_array(weight) for weight in model.weights]
    result = freeze(model)
    if result is ...:
        return ...
    model, note = returned_model(result, model)
    kept = [as_array(weight) for weight in model.weights]
    lost = len(kept) != len(learned) or any(
        new.shape != old.shape or (new != old).any() for new, old in zip(kept, learned, strict=False)
    )
    norms = normalization_layers(model)
    trained = [[norm.gamma, norm.beta] for norm in norms]
    tracked = [[norm.moving_mean, norm.moving_variance] for norm in norms]
    kernels = [[weight] for weight in model.weights if weight.name == "kernel"]
    groups = [tracked, trained, kernels]
    before = [[[as_array(weight) for weight in one] for one in group] for group in groups]
    if not getattr(model, "compiled", False):
        raise Remark(
            "The model that you return is not compiled, so `fit` can not run. Call `compile` in your function."
        )
    model.fit(x, x[:, :1] + 1, batch_size=8, shuffle=False, verbose=0)
    moved_tracked, moved_trained, moved_kernels = (
        [
            any(np.abs(as_array(weight) - old).max() > 1e-7 for weight, old in zip(one, was, strict=True))
            for one, was in zip(group, old_group, strict=True)
        ]
        for group, old_group in zip(groups, before, strict=True)
    )
    mode = []
    for norm in norms:
        z = np.random.default_rng(4).normal(5, 3, (8, norm.gamma.shape[0])).astype(np.float32)
        at_inference = as_array(norm(z, training=False))  # first: the other call may move the averages
        mode.append(np.abs(as_array(norm(z, training=True)) - at_inference).max() > 1e-5)
    return Noted((moved_tracked, mode, moved_trained, moved_kernels, lost), note)


def _describe_frozen(name, received, expected):
    if name == "whether freezing changed a weight":
        return (
            "The model that comes back should still have the weights that it had learned; "
            "in yours kernels, gamma, beta or averages differ."
        )
    count = len(expected)
    if received.shape != expected.shape:
        return f"The model should keep its `{count}` layers of this kind; yours has `{received.size}`."
    wrong = [index for index in range(count) if received[index] != expected[index]]
    where = "both" if len(wrong) == 2 and count == 2 else "the nested model's" if wrong == [0] else "the last"
    if name == "which moving averages moved":
        return f"In one epoch of `fit` after freezing, the moving averages of {where} BatchNorm {_plural(where)} moved."
    if name == "which use batch statistics":
        return (
            f"With `training=True`, {where} BatchNorm {_plural(where)} still normalised with the statistics "
            f"of the batch "
            "and not with the moving averages."
        )
    if name == "which gammas and betas moved":
        return (
            f"In one epoch of `fit` after freezing, gamma and beta of {where} BatchNorm {_plural(where)} were trained."
        )
    return f"In one epoch of `fit` after freezing, {len(wrong)} of 3 kernels did not change."


def _plural(where):
    return "layers" if where == "both" else "layer"
