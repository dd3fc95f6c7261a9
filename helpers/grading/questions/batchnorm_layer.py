"""Exercise `BatchNorm`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception, Variant
from helpers.grading.questions.layer_classes import (
    AloneForgotten,
    RightLayer,
    StoresEpsilon,
    alone_at_inference,
    layer_with,
)
from helpers.grading.questions.normalize import OVER_FEATURES
from helpers.grading.questions.probe_batches import BETA, FAR_FROM_ZERO, GAMMA, ONE_ROW, ONE_SMALL_COLUMN, SMALL
from helpers.grading.questions.wrong_formulas import (
    EPSILON_STORED,
    IN_PLACE,
    LAST_BATCH,
    MOMENTUM_SIDE,
    MOVING_DEVIATION,
    NEVER_STORES,
    ONE_MEAN,
    SAMPLE_VARIANCE,
    UNBIASED_NOTE,
    WRONG_ROOTS,
    moments,
)


def _for_both_modes_and_each(sentence):
    """(mode, sentence) for a sentence that begins with "Your", for both modes and for each alone."""
    rest = f"y{sentence[1:]}"
    return (None, sentence), ("training", f"In training {rest}"), ("inference", f"At inference {rest}")


TWO_LAYERS = "two layers share nothing"


class BatchNormLayer(CodeQuestion):
    id = "BatchNorm"
    short = "lay"
    title = "A layer with a memory"
    points = 8
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "Two modes"
    wanted = "a class `BatchNorm(features, momentum=0.99, epsilon=1e-3)`"
    changes = IN_PLACE
    reference = RightLayer.BatchNorm
    hints = (
        "Two questions decide everything: which statistics normalise x, and may the moving averages change? "
        "Answer both for `training=True` and for `training=False`.",
        "In training: mean and variance of the batch normalise x and are mixed into the moving averages. "
        "Otherwise: the moving averages normalise x, and nothing changes. The variance starts at 1.",
    )
    explains = (
        ("name 'epsilon' is not defined", "Arguments of `__init__` are gone in `__call__`: keep it as `self.epsilon`."),
        (
            "name 'momentum' is not defined",
            "Arguments of `__init__` are gone in `__call__`: keep it as `self.momentum`.",
        ),
        ("'BatchNorm' object is not callable", "Is the method called `__call__`, with two underscores on each side?"),
        ("BatchNorm() takes no arguments", "Is the method called `__init__`, with two underscores on each side?"),
    )
    try_first = "Write down in two columns what the layer reads and what it changes, in training and at inference."

    misconceptions = (
        Misconception(MOMENTUM_SIDE, layer_with(mix=lambda old, new, momentum: (1 - momentum) * old + momentum * new)),
        Misconception(LAST_BATCH, layer_with(mix=lambda old, new, momentum: new)),
        Misconception(NEVER_STORES, layer_with(mix=lambda old, new, momentum: old)),
        Misconception(MOVING_DEVIATION, layer_with(stored=lambda x: (x.mean(axis=0), x.std(axis=0)))),
        Misconception(
            "Your moving variance starts at 0. Start it at 1, or the first inference divides by √epsilon and explodes.",
            layer_with(start=(0.0, 0.0)),
        ),
        Misconception(
            "Your layer updates its averages at inference. A prediction must not change the layer: "
            "update only `if training:`.",
            layer_with(update_at_inference=True),
        ),
        Misconception(
            "Your layer updates its averages at inference. A prediction must not change the layer: "
            "update only `if training:`.",
            layer_with(update_at_inference=True, inference="before"),
        ),
        Misconception(
            "Your layer does the same in both modes: it uses, and keeps, the statistics of the batch even at "
            "inference. Both belong under `if training:`.",
            layer_with(update_at_inference=True, inference="batch"),
        ),
        Misconception(
            "Your layer does the same in both modes: it uses the statistics of the batch and keeps nothing. "
            "In training mix them into the moving averages; at inference normalise with those.",
            layer_with(inference="batch", mix=lambda old, new, momentum: old),
        ),
        Misconception(
            "Your modes have changed places: `if training:` uses the batch and moves the averages, "
            "inference uses the moving averages.",
            layer_with(reverse=True),
        ),
        *(
            Misconception(
                "Mean and variance of the batch have changed places: the first belongs into `self.moving_mean`, "
                "the second into `self.moving_variance`.",
                wrong,
            )
            for wrong in (layer_with(stored=lambda x: (x.var(axis=0), x.mean(axis=0))), layer_with(swap=True))
        ),
        Misconception(
            "Your layer normalises with the statistics of the batch at inference. Then a prediction depends on its "
            "neighbours in the batch. Use the moving averages when `training` is False.",
            layer_with(inference="batch"),
        ),
        Misconception(
            "Your layer normalises with the moving statistics in training. Then the gradient through the statistics "
            "is lost. Use the batch's own mean and variance when `training` is True.",
            layer_with(in_training="before"),
        ),
        Misconception(
            "Your layer normalises with the moving statistics in training. Then the gradient through the statistics "
            "is lost. Use the batch's own mean and variance when `training` is True.",
            layer_with(in_training="after"),
        ),
        Misconception(
            "All your layers share their averages, because they belong to the class. Create them in `__init__`, "
            "as `self.moving_mean = ...`.",
            layer_with(shared=True),
            # What the shared averages hold depends on everything that was called before.
            wild=(TWO_LAYERS,),
        ),
        *(
            Misconception(sentence, layer_with(affine=False, only=mode))
            for mode, sentence in _for_both_modes_and_each(
                "Your layer leaves gamma and beta out. The last step is `self.gamma * x_hat + self.beta`, "
                "in both modes."
            )
        ),
        *(
            Misconception(said, layer_with(root=root, only=mode))
            for sentence, root in WRONG_ROOTS
            for mode, said in _for_both_modes_and_each(sentence)
        ),
        Misconception(
            "The moving mean never moves, the moving variance does: mix the batch's mean into it in the same way.",
            layer_with(still=0),
        ),
        Misconception(
            "The moving variance never moves, the moving mean does: mix the batch's variance into it in the same way.",
            layer_with(still=1),
        ),
        Misconception(
            "Your layer trains when nothing is said about `training`. The default is `training=False`.",
            layer_with(default=True),
        ),
        Misconception(SAMPLE_VARIANCE, layer_with(batch=lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),
        *(
            Misconception(
                "Your layer uses its moving statistics for a training batch of one row. In training the batch always "
                "normalises itself: one row alone becomes 0, so that the output is beta.",
                alone_at_inference(update),
            )
            for update in (True, False)
        ),
        Misconception(
            "Your layer does not update its averages for a training batch of one row. Every training batch counts.",
            AloneForgotten,
        ),
        *(
            Misconception(
                EPSILON_STORED, layer_with(stored=lambda x, epsilon=epsilon: (x.mean(axis=0), x.var(axis=0) + epsilon))
            )
            for epsilon in (1e-3, 1e-5)
        ),
        Misconception(EPSILON_STORED, StoresEpsilon),
        Misconception(OVER_FEATURES, layer_with(batch=lambda x: moments(x, -1, keepdims=True))),
        Misconception(ONE_MEAN, layer_with(batch=lambda x: (x.mean(), x.var()))),
        Misconception(
            "Your layer uses 0.99 for the momentum and not the argument. Keep it in `__init__` as `self.momentum`.",
            layer_with(mix=lambda old, new, momentum: 0.99 * old + 0.01 * new),
        ),
    )
    accepted = (Variant(UNBIASED_NOTE, layer_with(stored=lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),)

    def judge(self, answer):
        if type(answer).__name__ == "BatchNorm":
            return self._not_callable('That is a layer, not the class. Write `check("BatchNorm", BatchNorm)`.')
        return super().judge(answer)

    def _matches(self, misconception, probes, expected, seen):
        if TWO_LAYERS in misconception.wild:
            return any(
                one.outputs is not None
                and all(received.shape == right.shape for received, right in zip(one.outputs, zeros, strict=True))
                and not probe.all_agree(one.outputs, zeros)
                for probe, one, zeros in zip(probes, seen, expected, strict=True)
                if probe.name == TWO_LAYERS
            )
        return super()._matches(misconception, probes, expected, seen)

    def probes(self, answer):
        """One list, because its order is the order in which a learner reads the cases."""
        x, parameters = FAR_FROM_ZERO, {"gamma": GAMMA, "beta": BETA}
        trained = {"moving_mean": np.array([1.0, -2.0, 5.0]), "moving_variance": np.array([4.0, 0.001, 9.0])}
        names, y = ("moving_mean", "moving_variance"), ("the output",)
        return [
            Probe(
                "a new layer: gamma 1, beta 0, mean 0, variance 1",
                {"features": 3},
                outputs=("gamma", "beta", *names),
                call=_state_of_a_new_layer,
            ),
            Probe(
                "training: the batch's statistics, then gamma and beta",
                {"x": ONE_SMALL_COLUMN, **parameters},
                {},
                y,
                weight=2,
                call=_output_in_training,
            ),
            Probe(
                "three different batches move the averages",
                {"x": x},
                {},
                names,
                weight=2,
                call=_averages_after_three_batches,
            ),
            Probe(
                "inference: the moving statistics, then gamma and beta",
                {"x": x, **parameters, **trained},
                {},
                y,
                weight=2,
                call=_output_at_inference,
            ),
            Probe(
                "training with a batch of one row: it normalises itself, and counts",
                {"x": ONE_ROW, **parameters},
                {},
                ("the output", "moving_mean"),
                call=_output_and_mean_of_one_row,
            ),
            Probe(
                "a variance as small as epsilon is stored as it is",
                {"x": SMALL},
                {},
                names,
                2e-5,
                weight=0.5,
                call=_averages_with_large_epsilon,
            ),
            Probe("a prediction changes nothing", {"x": x, **trained}, {}, names, call=_averages_after_inference),
            Probe(
                TWO_LAYERS,
                {"x": x},
                {},
                (
                    "the second layer's moving_mean, after the first was trained, less before,",
                    "the second layer's moving_variance, after the first was trained, less before,",
                ),
                weight=0.5,
                call=_averages_of_another_layer,
            ),
            Probe(
                "momentum is 0.99 if nothing is said",
                {"x": 10 * x},
                {},
                names,
                1e-4,
                weight=0.5,
                call=_averages_with_defaults,
            ),
        ]


def _built_layer(make, given, *numbers_, **options):
    layer = make(3, *numbers_, **options)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        if name in given:
            setattr(layer, name, given[name])
    return layer


def _state_of_a_new_layer(make, given):
    layer = make(given["features"])
    return layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance


def _output_in_training(make, given):
    return _built_layer(make, given, momentum=0.8, epsilon=0.05)(given["x"], training=True)


def _output_and_mean_of_one_row(make, given):
    layer = _built_layer(make, given, momentum=0.8, epsilon=0.05)
    layer(FAR_FROM_ZERO, training=True)
    y = layer(given["x"], training=True)
    return ... if y is ... else (y, layer.moving_mean)


def _averages_with_large_epsilon(make, given):
    layer = make(3, momentum=0.5, epsilon=0.5)
    layer.moving_variance = np.array([1e-3, 2e-3, 5e-4])
    if layer(given["x"], training=True) is ...:
        return ...
    return layer.moving_mean, layer.moving_variance


def _averages_after_three_batches(make, given):
    layer, x = _built_layer(make, given, momentum=0.7), given["x"]
    for batch in (x, -2 * x, x[:3] + 5):
        layer(batch, training=True)
    return layer.moving_mean, layer.moving_variance


def _output_at_inference(make, given):
    return _built_layer(make, given, momentum=0.8, epsilon=0.05)(given["x"])


def _averages_after_inference(make, given):
    layer = _built_layer(make, given, momentum=0.8)
    if layer(given["x"], training=False) is ...:
        return ...  # without a prediction there is nothing to be said for what it leaves alone
    layer(given["x"][:1])
    return layer.moving_mean, layer.moving_variance


def _averages_of_another_layer(make, given):
    first, second = make(3, momentum=0.6), make(3, momentum=0.6)
    if second.moving_mean is ... or second.moving_variance is ...:
        return ...
    before = np.array([second.moving_mean, second.moving_variance], dtype=float)
    first(given["x"], training=True)
    return tuple(np.array([second.moving_mean, second.moving_variance], dtype=float) - before)


def _averages_with_defaults(make, given):
    layer = make(3)
    layer(given["x"], training=True)
    return layer.moving_mean, layer.moving_variance
