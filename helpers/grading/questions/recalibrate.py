"""Exercise `recalibrate`."""

from dataclasses import replace

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.keras_question import (
    KerasQuestion,
    as_array,
    compile_quietly,
    fixed_weights,
    normalization_layers,
    returned_model,
)
from helpers.grading.observing import Noted, Remark
from helpers.grading.question import Misconception, Variant


def _recalibrate_by_rows(model, x, batch_size):
    """Every batch counts with its rows: the plain loop with another momentum."""
    norms = normalization_layers(model)
    momenta = [norm.momentum for norm in norms]
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        for norm in norms:
            norm.momentum = start / (start + len(batch))
        model(batch, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


def _recalibrate_with(
    *,
    training=True,
    momentum=None,
    choose=normalization_layers,
    with_old=False,
    train=False,
    reset=False,
    rest=True,
    whole=False,
):
    """A recalibration with one thing wrong."""

    def recalibrate(model, x, batch_size):
        batch_size = len(x) if whole else batch_size
        norms = choose(model)
        if reset:
            for norm in norms:
                norm.moving_mean.assign(np.zeros(norm.moving_mean.shape))
                norm.moving_variance.assign(np.ones(norm.moving_variance.shape))
        if train:
            compile_quietly(model)
        saved = [norm.momentum for norm in norms]
        for count, start in enumerate(range(0, len(x) - (0 if rest else batch_size - 1), batch_size)):
            for norm in norms:
                if momentum == "average":
                    norm.momentum = (count + with_old) / (count + 1 + with_old)
                elif momentum is not None:
                    norm.momentum = momentum
            if train:
                model.train_on_batch(x[start : start + batch_size], np.zeros((len(x[start : start + batch_size]), 1)))
            else:
                model(x[start : start + batch_size], training=training)
        for norm, old in zip(norms, saved, strict=True):
            norm.momentum = old
        return model

    return recalibrate


ON_THE_WAY = (
    "You are on the way, but `momentum**steps` of the start is still there. Go on (at momentum 0.99 about 600 steps), "
    "or give batch k the momentum k / (k + 1)."
)


BY_ROWS = (
    "In your average a batch counts with its rows. So the first layer's mean is exactly that of x, the shorter last "
    "batch included. Letting every batch count the same, with momentum k / (k + 1), is as right."
)
BY_BATCHES = (
    "In your average every batch counts the same, the shorter last one too. Letting a batch count with its rows, with "
    "momentum rows before / rows so far, is as right, and gives the mean of x exactly."
)


class Recalibrate(KerasQuestion):
    id = "recalibrate"
    short = "cal"
    title = "Recalibrate the moving statistics"
    seconds = 30  # many passes with the layer's own momentum are slow, and right
    points = 6
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "A new domain"
    wanted = "a function `recalibrate(model, x, batch_size)`"
    hints = (
        "A call with `training=True` moves the averages and no weight. But with momentum 0.99 a few batches "
        "hardly move them.",
        "Give batch k (counted from 0) the momentum k / (k + 1): then the moving average is the plain average "
        "of all batches. "
        "Put the old momentum back at the end.",
    )
    try_first = "Which momentum makes the average of the first batch count in full, and of the second one half?"

    @staticmethod
    def reference(model, x, batch_size):
        layers = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
        momenta = [layer.momentum for layer in layers]
        for k, start in enumerate(range(0, len(x), batch_size)):
            for layer in layers:
                layer.momentum = k / (k + 1)  # the plain average of the batches so far; at k = 0 the old is forgotten
            model(x[start : start + batch_size], training=True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        return model

    misconceptions = (
        Misconception(
            "Your batches are averaged with the layer's own momentum, so a few of them hardly move "
            "the statistics. "
            "Let batch k count with momentum k / (k + 1), or go over the data until the old values are forgotten.",
            _recalibrate_with(),
        ),
        Misconception(
            "Your function sets the statistics to 0 and 1 and averages with the layer's own momentum: after a few "
            "batches they are "
            "still close to 0 and 1. Let batch k count with momentum k / (k + 1).",
            _recalibrate_with(reset=True),
        ),
        Misconception(
            "The statistics are those of the last batch only. Each batch has to count: momentum k / (k + 1) "
            "for batch k.",
            _recalibrate_with(momentum=0.0),
        ),
        Misconception(
            "The statistics did not move at all: without `training=True`, or with `trainable=False`, BatchNorm only "
            "reads them. Call `model(batch, training=True)`, on the model that you were given and not on a copy.",
            _recalibrate_with(training=False),
        ),
        Misconception(
            "Your function trains the model, so its weights change. A call `model(batch, training=True)` "
            "moves the statistics alone.",
            _recalibrate_with(momentum="average", train=True),
            wild=("recalibrate",),
        ),
        Misconception(
            "Only the first BatchNorm layer is recalibrated. The later ones need it as much.",
            _recalibrate_with(momentum="average", choose=lambda model: normalization_layers(model)[:1]),
        ),
        Misconception(
            "The last rows are left out, because they do not fill a batch. Let `x[start : start + batch_size]` be "
            "shorter at the end: `for start in range(0, len(x), batch_size)`.",
            _recalibrate_with(momentum="average", rest=False),
        ),
        Misconception(
            "The old statistics still count as one batch among the new ones. They have to be forgotten: "
            "the first batch counts in full, with momentum 0.",
            _recalibrate_with(momentum="average", with_old=True),
        ),
        Misconception(
            "Your function sends all rows through at once. Send `batch_size` rows at a time: in training a batch "
            "normalises itself, so the size of the batches belongs to the statistics.",
            _recalibrate_with(momentum=0.0, whole=True),
        ),
    )
    accepted = (Variant(BY_ROWS, _recalibrate_by_rows),)

    def probes(self, answer):
        outputs = (
            "the moving mean",
            "the moving variance",
            "the deeper statistics",
            "the moving mean, where every batch counts,",
            "the moving variance, where every batch counts,",
            "the weights",
            "the momentum",
            "trainable",
        )
        return [
            Probe(
                "recalibrate",
                {"x": _new_data()},
                {},
                outputs,
                (0.13, 0.2, 0.2, 0.015, 0.03, 1e-5, 1e-5, 1e-5),
                call=_statistics_after,
                say=_describe_statistics,
                split=(
                    ("the first layer's moving mean is about the mean of x's activations", 1.5),
                    ("the first layer's moving variance is about their variance", 1.5),
                    ("so it is in the layers behind", 1.5),
                    ("the mean closely: nothing old is left, every batch counts", 0.5),
                    ("the variance closely: nothing old is left, every batch counts", 0.5),
                    ("the weights stay as they were", 1),
                    ("the layers have their momentum back", 0.5),
                    ("what was trainable still is", 0.5),
                ),
            )
        ]

    def judge(self, answer):
        found = super().judge(answer)
        if found is None or BY_ROWS in found[1] or not all(case.passed for case in found[0]):
            return found
        return found[0], [*found[1], BY_BATCHES]

    def _is_variant(self, seen, theirs, probes):
        if seen[0].outputs is not None:  # the statistics tell; what else was changed has cases of its own
            seen = [replace(seen[0], outputs=(*seen[0].outputs[:-3], *theirs[0][-3:])), *seen[1:]]
        return super()._is_variant(seen, theirs, probes)

    def _diagnosis(self, probes, expected, seen):
        known = super()._diagnosis(probes, expected, seen)
        if known or seen[0].outputs is None or not _partly_forgotten(seen[0].outputs, expected[0]):
            return known
        return ON_THE_WAY

    def _matches(self, misconception, probes, expected, seen):
        if misconception.wild:  # that the model was trained shows in its weights; its statistics may then be anything
            return seen[0].outputs is not None and not probes[0].agrees(seen[0].outputs, expected[0], 5)
        if seen[0].outputs is not None:  # what was not put back is a thing of its own, and its case says what
            seen = [replace(seen[0], outputs=(*seen[0].outputs[:-2], *expected[0][-2:])), *seen[1:]]
        return super()._matches(misconception, probes, expected, seen)


OLD_MEAN, OLD_VARIANCE = -4.0, 40.0  # far from those of the new data


MOMENTA = 0.99, 0.98


def _new_data():
    """Seven batches of 16 rows and one of 6, whose means and spreads differ, so that each of them has to count, and
    the last as much as the others."""
    rng = np.random.default_rng(8)
    shifts = np.repeat([0.3, -0.4, 0.2, -0.1, 0.4, -0.3, 0.1, 2.0], 16)[:, None]
    spread = np.repeat([1.5] * 7 + [2.5], 16)[:, None]
    return (rng.normal(2.0, spread, (128, 3)) + shifts).astype(np.float32)[:118]


def _statistics_after(recalibrate, given):
    """What a recalibration leaves in a small network, from building it to reading it: one story, told in one place."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(13)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4),
            layers.BatchNormalization(momentum=MOMENTA[0]),
            layers.Activation("relu"),
            layers.Dense(3),
            layers.BatchNormalization(momentum=MOMENTA[1]),
            layers.Activation("relu"),
            layers.Dense(1),
        ]
    )
    compile_quietly(model)
    for weight in model.weights:
        weight.assign(fixed_weights(weight.name, weight.shape))
    for norm in normalization_layers(model):
        norm.gamma.assign(np.abs(as_array(norm.gamma)))
        norm.moving_mean.assign(np.full(norm.moving_mean.shape, OLD_MEAN))
        norm.moving_variance.assign(np.full(norm.moving_variance.shape, OLD_VARIANCE))
    before = [as_array(weight) for weight in _learned_weights(model)]
    trainable = len(model.trainable_weights)
    result = recalibrate(model, given["x"], 16)
    if result is ...:
        return ...
    original = model
    model, note = returned_model(result, model)
    after = [as_array(weight) for weight in _learned_weights(model)]
    if [value.shape for value in after] != [value.shape for value in before]:
        raise Remark("The model that comes back should have the layers of the one that you were given.")
    first, second = normalization_layers(model)
    changed = max(np.abs(new - old).max() for new, old in zip(after, before, strict=True))
    if changed > 1e-6 and model is not original:
        raise Remark("The model that comes back is a copy without the weights that were learned. Give it those first.")
    mean, variance = as_array(first.moving_mean), as_array(first.moving_variance)
    deeper = np.stack([as_array(second.moving_mean), as_array(second.moving_variance)])
    frozen = len(model.trainable_weights) != trainable
    momenta = np.array([first.momentum, second.momentum])
    return Noted((mean, variance, deeper, mean, variance, changed > 1e-6, momenta, frozen), note)


def _learned_weights(model):
    """Every weight but the moving statistics, whether it is frozen or not."""
    return [weight for weight in model.weights if not weight.name.startswith("moving_")]


def _describe_statistics(name, received, expected):
    if name == "the weights":
        return "Kernels, biases, gamma or beta are not what they were before your function ran."
    if name == "trainable":
        return (
            "You left layers with `trainable=False`; set it back, or the next `fit` does not train them. "
            "Calls of the model change no kernel, gamma or beta, so nothing has to be frozen here."
        )
    if name == "the momentum":
        return _describe_momentum(received, expected)
    got, right = (", ".join(f"{value:.3g}" for value in numbers.ravel()[:3]) for numbers in (received, expected))
    are = "they are" if name == "the deeper statistics" else "it is"
    return f"On {len(_new_data())} rows in batches of 16, {name} should be about `[{right}, …]`; {are} `[{got}, …]`."


def _describe_momentum(received, expected):
    had = " and ".join(f"{momentum:g}" for momentum in expected)
    if received[0] == received[1] and received[0] in expected:
        return (
            f"Your layers had momentum {had}, and now both have {received[0]:g}. Keep each layer's own momentum "
            "before you change it, and put that back."
        )
    wrong = received[received != expected]
    return (
        f"Your layers are left with momentum {max(wrong):.3g}. They had {had}, and the next `fit` would average "
        "with yours: with momentum 0 it remembers its last batch only. Put the old momentum back."
    )


def _share_left(received, expected, start):
    """Which share of the start is still in the statistics; NaN where they are no mixture of start and truth."""
    way, rest = start - expected, received - expected
    share = rest @ way / (way @ way)
    return share if np.abs(rest - share * way).max() < 0.3 * np.abs(rest).max() else np.nan


def _partly_forgotten(received, expected):
    """Whether mean and variance keep the same share of the old statistics, or of a new layer's."""
    for starts in ((OLD_MEAN, OLD_VARIANCE), (0.0, 1.0)):
        mean, variance = (_share_left(*one) for one in zip(received[:2], expected[:2], starts, strict=True))
        if 0.002 < mean < 0.95 and np.isclose(mean, variance, rtol=0.3):
            return True
    return False
