"""Exercise `update_moving`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception, Variant
from helpers.grading.questions.normalize import OVER_FEATURES
from helpers.grading.questions.probe_batches import FAR_FROM_ZERO, SMALL
from helpers.grading.questions.wrong_formulas import (
    EPSILON_STORED,
    LAST_BATCH,
    MEAN_SQUARE,
    MOMENTUM_SIDE,
    MOVING_DEVIATION,
    NEVER_STORES,
    ONE_MEAN,
    UNBIASED_NOTE,
    moments,
)


def _update_with(
    mean_and_variance=lambda x: moments(x), mix=lambda old, batch, momentum: momentum * old + (1 - momentum) * batch
):
    def update(moving_mean, moving_variance, x, momentum=0.99):
        mean, variance = mean_and_variance(np.asarray(x))
        return mix(moving_mean, mean, momentum), mix(moving_variance, variance, momentum)

    return update


def _update_in_place(moving_mean, moving_variance, x, momentum=0.99):
    moving_mean *= momentum
    moving_mean += (1 - momentum) * x.mean(axis=0)
    moving_variance *= momentum
    moving_variance += (1 - momentum) * x.var(axis=0)
    return moving_mean, moving_variance


def _swapped_update(moving_mean, moving_variance, x, momentum=0.99):
    mean, variance = UpdateMoving.reference(moving_mean, moving_variance, x, momentum)
    return variance, mean


def _update_around(centre):
    """The variance around the moving mean: centre(old, new) says which one."""

    def update(moving_mean, moving_variance, x, momentum=0.99):
        new_mean = momentum * moving_mean + (1 - momentum) * x.mean(axis=0)
        spread = ((x - centre(moving_mean, new_mean)) ** 2).mean(axis=0)
        return new_mean, momentum * moving_variance + (1 - momentum) * spread

    return update


class UpdateMoving(CodeQuestion):
    id = "update_moving"
    short = "mov"
    title = "Move the moving averages"
    points = 4
    section = "Training vs inference"
    notebook, heading = "02_batchnorm_from_scratch", "Step 5: moving statistics"
    wanted = "a function `update_moving(moving_mean, moving_variance, x, momentum=0.99)`"
    changes = (
        "Your code changes {names} in place, so the caller's array is not what it was. "
        "Return new arrays: `moving_mean = momentum * moving_mean + ...` instead of `*=` and `+=`."
    )
    hints = (
        "Momentum says how much of the old value stays. With 0.99 a batch counts for one hundredth.",
        "`new = momentum * old + (1 - momentum) * batch`, once with `x.mean(axis=0)` and once with `x.var(axis=0)`.",
    )
    try_first = (
        "With momentum 0.99, an old mean of 0 and a batch mean of 10, what should the new mean be? Work it out by hand."
    )

    @staticmethod
    def reference(moving_mean, moving_variance, x, momentum=0.99):
        x = np.asarray(x, dtype=float)
        new_mean = momentum * np.asarray(moving_mean) + (1 - momentum) * x.mean(axis=0)
        new_variance = momentum * np.asarray(moving_variance) + (1 - momentum) * x.var(axis=0)
        return new_mean, new_variance

    misconceptions = (
        Misconception(
            MOMENTUM_SIDE, _update_with(mix=lambda old, batch, momentum: (1 - momentum) * old + momentum * batch)
        ),
        Misconception(LAST_BATCH, _update_with(mix=lambda old, batch, momentum: batch)),
        Misconception(NEVER_STORES, _update_with(mix=lambda old, batch, momentum: old)),
        Misconception(MOVING_DEVIATION, _update_with(lambda x: (x.mean(axis=0), x.std(axis=0)))),
        *(
            Misconception(
                EPSILON_STORED, _update_with(lambda x, epsilon=epsilon: (x.mean(axis=0), x.var(axis=0) + epsilon))
            )
            for epsilon in (1e-3, 1e-5)
        ),
        Misconception(OVER_FEATURES, _update_with(lambda x: moments(x, -1))),
        Misconception(ONE_MEAN, _update_with(lambda x: (x.mean(), x.var()))),
        Misconception(MEAN_SQUARE, _update_with(lambda x: (x.mean(axis=0), (x * x).mean(axis=0)))),
        Misconception(
            "The batch should count for `1 - momentum`; in your code it counts in full, so the averages grow "
            "without an end.",
            _update_with(mix=lambda old, batch, momentum: momentum * old + batch),
        ),
        Misconception(
            "Your code takes the plain mean of old and new. Momentum is the weight of the old value: "
            "`momentum * old + (1 - momentum) * batch`.",
            _update_with(mix=lambda old, batch, momentum: (old + batch) / 2),
        ),
        Misconception(
            "Your code uses 0.99 for the momentum and not the argument. Write `momentum` in the formula.",
            _update_with(mix=lambda old, batch, momentum: 0.99 * old + 0.01 * batch),
        ),
        Misconception(
            "Brackets are missing: the batch counts for `1 - momentum`, so write `(1 - momentum) * batch`.",
            _update_with(mix=lambda old, batch, momentum: momentum * old + 1 - momentum * batch),
        ),
        Misconception(
            "The variance of a batch is taken around the batch's own mean; yours is taken around the moving mean.",
            _update_around(lambda old, new: old),
        ),
        Misconception(
            "The variance of a batch is taken around the batch's own mean; yours is taken around the moving mean.",
            _update_around(lambda old, new: new),
        ),
        Misconception(
            "The moving mean moves, the moving variance does not: mix `x.var(axis=0)` into it in the same way.",
            lambda moving_mean, moving_variance, x, momentum=0.99: (
                UpdateMoving.reference(moving_mean, moving_variance, x, momentum)[0],
                moving_variance,
            ),
        ),
        Misconception("The two results have changed places: the mean comes first, then the variance.", _swapped_update),
        Misconception(changes.format(names="`moving_mean` and `moving_variance`"), _update_in_place),
    )
    accepted = (Variant(UNBIASED_NOTE, _update_with(lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),)

    def probes(self, answer):
        outputs = ("the new mean", "the new variance")
        old = {"moving_mean": np.array([1.0, -2.0, 5.0]), "moving_variance": np.array([4.0, 2.0, 9.0])}
        fresh = {"moving_mean": np.zeros(3), "moving_variance": np.ones(3)}
        three = [
            Probe(
                "one batch, momentum 0.8",
                {**old, "x": FAR_FROM_ZERO},
                {"momentum": 0.8},
                outputs,
                split=(("one batch, momentum 0.8: the mean", 1), ("one batch, momentum 0.8: the variance", 1)),
            ),
            Probe("a fresh layer, momentum 0.9", {**fresh, "x": FAR_FROM_ZERO[:3] - 7}, {"momentum": 0.9}, outputs),
            Probe("momentum is 0.99 if nothing is said", {**old, "x": FAR_FROM_ZERO * 10}, {}, outputs, tolerance=1e-4),
        ]
        small = {"moving_mean": np.zeros(3), "moving_variance": np.array([1e-3, 2e-3, 5e-4])}
        return [
            *three,
            Probe(
                "three different batches in a row", {**old, "x": FAR_FROM_ZERO}, {}, outputs, call=self._three_batches
            ),
            Probe("a variance as small as epsilon", {**small, "x": SMALL}, {"momentum": 0.5}, outputs, tolerance=2e-5),
        ]

    @staticmethod
    def _three_batches(update, given):
        mean, variance, x = given.values()
        result = mean, variance
        for batch in (x, -2 * x, x[:3] + 5):
            result = update(*result, batch, momentum=0.7)
            if not (isinstance(result, (tuple, list)) and len(result) == 2):
                break  # what is wrong with it is said where the results are read
        return result
