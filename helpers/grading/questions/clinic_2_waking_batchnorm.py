"""Clinic case `clinic_2`: a pretrained network whose BatchNorm wakes up in fine-tuning."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import as_array, fixed_weights, is_model, normalization_layers
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote


def _add_head_with(prepare, *, finish=lambda model: None, copy=False):
    """A new output layer on the base, with one thing wrong.

    prepare, finish: what is done with the base before, and with the model at the end. copy: whether a copy of the base
    takes its place, without its weights.
    """

    def add_head(base):
        import keras

        base = keras.models.clone_model(base) if copy else base
        base.trainable = True
        prepare(base)
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Dense(1)(base(inputs)))
        finish(model)
        return model

    return add_head


def _freeze(choose=normalization_layers):
    def prepare(model):
        for layer in choose(model):
            layer.trainable = False

    return prepare


def _others(model):
    """Every layer that is neither BatchNorm nor a model, in nested models too."""
    return [
        one
        for layer in model.layers
        for one in (_others(layer) if hasattr(layer, "layers") else [layer])
        if not hasattr(one, "moving_variance")
    ]


def _momentum_one(base):
    for norm in normalization_layers(base):
        norm.momentum = 1.0


def _freeze_and_reset(base):
    for norm in normalization_layers(base):
        norm.trainable = False
        norm.moving_mean.assign(np.zeros(norm.moving_mean.shape))
        norm.moving_variance.assign(np.ones(norm.moving_variance.shape))


class WakingBatchNorm(ClinicQuestion):
    id = "clinic_2"
    short = "cl2"
    title = "Case 2: fine-tuning forgets"
    notebook, heading = "05_training_and_inference", "Freezing, and the compile-again trap"
    program = "add_head"
    wanted = "a function `add_head(base)`"
    hints = (
        "The kernels move by 0.00001 a step. What else in the base moves in training mode, and much faster?",
        "After `base.trainable = True`, set `trainable = False` on every BatchNormalization layer again, those inside "
        "the base's block too.",
    )
    try_first = (
        "Print the moving mean of a BatchNorm layer of the base before and after one epoch. Which of "
        "`trainable` and `training` decides whether it moves?"
    )
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "The learning rate is too high, so the pretrained kernels are destroyed",
            False,
            "with 0.00001 no kernel moves far in one epoch. What is lost is lost through the moving averages, "
            "which move as fast at any learning rate.",
        ),
        "b": Cause(
            "With `trainable = True` BatchNorm is in training mode again: it uses small batches and moves its averages",
            True,
            "`fit` calls the model in training mode, and a BatchNorm that is trainable follows. Its averages move "
            "away from those with which the kernels after it were trained.",
        ),
        "c": Cause(
            "The new output layer overfits the small data set",
            False,
            "the output layer was there before, when the base was frozen, and all was well. "
            "The fall comes with `trainable = True`.",
        ),
        "d": Cause(
            "The model was not compiled again after `trainable` was changed",
            False,
            "`add_head` makes a new model, which is compiled for the first time. Without compiling, nothing would "
            "change: BatchNorm would stay in inference mode.",
        ),
    }

    @staticmethod
    def reference(base):
        import keras

        def keep_in_inference_mode(model):
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
                elif isinstance(layer, keras.Model):
                    keep_in_inference_mode(layer)

        base.trainable = True
        keep_in_inference_mode(base)
        inputs = keras.Input((4,))
        outputs = keras.layers.Dense(1)(base(inputs))
        return keras.Model(inputs, outputs)

    misconceptions = (
        Misconception(
            "In `fit` the BatchNorm layers of the base are still in training mode: they use the statistics of each "
            "batch, and their moving averages leave those of the pretrained network. (With "
            "`base(inputs, training=False)` too: in a functional model Keras 3 puts the mode of the outer call in its "
            "place.)",
            _add_head_with(lambda base: None),
        ),
        Misconception(
            "The whole base is frozen, so there is nothing to fine-tune but the output layer. Keep its kernels "
            "trainable, and only BatchNorm in inference mode.",
            _add_head_with(_freeze(lambda base: [base])),
        ),
        Misconception(
            "The BatchNorm inside the base's block is still trainable: a loop over `base.layers` does not look into a "
            "nested model. Go through the block's layers too.",
            _add_head_with(_freeze(lambda base: [one for one in base.layers if hasattr(one, "moving_variance")])),
        ),
        Misconception(
            "The block is frozen with its kernel, and the BatchNorm outside of it is still trainable. "
            "Freeze both BatchNorm layers, and nothing else.",
            _add_head_with(_freeze(lambda base: [one for one in base.layers if hasattr(one, "layers")])),
        ),
        Misconception(
            "With momentum 1 the averages stay, but in training BatchNorm still normalises with each small batch. "
            "Inference mode is `layer.trainable = False`.",
            _add_head_with(_momentum_one),
        ),
        Misconception(
            "It is the other way round: BatchNorm is trained, and everything else in the base is frozen.",
            _add_head_with(_freeze(_others)),
        ),
        Misconception(
            "The whole model is frozen, the new output layer too, so nothing learns at all.",
            _add_head_with(_freeze(), finish=lambda model: setattr(model, "trainable", False)),
        ),
        Misconception(
            "BatchNorm is in inference mode, but in a copy of the base that has none of its learned weights. "
            "Use the base itself.",
            _add_head_with(_freeze(), copy=True),
        ),
        Misconception(
            "The moving averages are set back to 0 and 1: the pretrained statistics are lost before training begins.",
            _add_head_with(_freeze_and_reset),
        ),
    )

    def probes(self, answer):
        outputs = (
            "which moving averages moved",
            "whether batch statistics are used",
            "which kernels can learn",
            "how many of the base's weights are lost",
        )
        return [
            Probe(
                "one step of fine-tuning",
                outputs=outputs,
                tolerance=1e-6,
                call=_fine_tuned,
                say=_describe_fine_tuning,
                split=(
                    ("training on leaves the base's moving averages as they are", 0.75),
                    ("the base normalises with them, in training too", 0.75),
                    ("every kernel can still learn, the base's and the new one", 1),
                    ("the base begins with its pretrained weights", 0.5),
                ),
            )
        ]


def _pretrained():
    import keras
    from keras import layers

    block = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.BatchNormalization(), layers.ReLU()])
    base = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6), layers.BatchNormalization(), layers.LeakyReLU(), block]
    )
    for weight in base.weights:
        value = fixed_weights(weight.name, weight.shape)
        weight.assign(np.abs(value) if weight.name == "gamma" else value)
    return base


def _fine_tuned(add_head, given):
    """What one step of training does to a model that was made from a base: which of its parts move."""
    import tensorflow as tf

    base = _pretrained()
    learned = [as_array(weight) for weight in base.weights]
    model = add_head(base)
    if model is ...:
        return ...
    if not is_model(model):
        raise Remark(f"Your function should return the new model; received a {quote(type(model).__name__, 40)}.")
    x = np.random.default_rng(3).normal(4, 3, (16, 4)).astype(np.float32)
    at_inference = as_array(model(x, training=False))  # first, so that every layer has its weights
    kept = [as_array(weight) for weight in model.weights]
    lost = sum(not any(one.shape == old.shape and (one == old).all() for one in kept) for old in learned)
    means = [weight for weight in model.weights if weight.name == "moving_mean"]
    before = [as_array(mean) for mean in means]
    with tf.GradientTape() as tape:
        output = model(x, training=True)
        loss = tf.reduce_mean((output - x[:, :1]) ** 2)
    moved = [np.abs(as_array(mean) - old).max() > 1e-7 for mean, old in zip(means, before, strict=True)]
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    trained = {id(weight) for weight in model.trainable_weights}
    learns = [
        id(kernel) in trained and gradient is not None and bool(tf.reduce_any(gradient != 0))
        for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True)
    ]
    batch_statistics = np.abs(as_array(output) - at_inference).max() > 1e-4
    return moved, batch_statistics, learns, lost


def _describe_fine_tuning(name, received, expected):
    if name == "how many of the base's weights are lost":
        lost = int(received)
        return (
            f"The model should begin with every weight that the base has learned; received one without `{lost}` of 12."
        )
    if name == "which kernels can learn":
        right, learn = expected.size, int(received.sum())
        return f"There should be `{right}` kernels that learn: two of the base, one new; received `{learn}`."
    if name == "whether batch statistics are used":
        return (
            "With `training=True` the outputs should be those of inference; in your model they differ, "
            "because BatchNorm uses the statistics of the batch."
        )
    if received.shape != expected.shape:
        return f"The model should have the base's `{expected.size}` BatchNorm layers; received `{received.size}`."
    return f"In one step of training no moving average should move; received `{int(received.sum())}` that did, of 2."
