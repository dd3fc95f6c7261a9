"""The NumPy exercises, each with its misconceptions beside it.

The formulas follow Ioffe & Szegedy 2015, Algorithms 1 and 2.

The probes are chosen so that no two implementations in this file agree on all of them: few rows and rows ≠ features,
means far from 0, a variance close to epsilon, gamma ≠ 1 with a negative one, beta ≠ 0, momentum ≠ 0.5, three
different batches, ranks 3 and 4, float32 near 10 000.
"""

import math

import numpy as np

from helpers.grading.question import CodeQuestion, Misconception, Probe, Variant, numbers

FAR_FROM_ZERO = np.array([[2.0, -5.0, 10.0], [4.0, -4.0, 30.0], [6.0, -4.0, 20.0], [9.0, -1.0, 50.0]])
NEARLY_CONSTANT = np.array([[0.10, 1.0], [0.14, 2.0], [0.08, 3.0], [0.12, 4.0], [0.06, 6.0]])
ONE_SMALL_COLUMN = np.array([[2.0, -5.0, 0.10], [4.0, -4.0, 0.14], [6.0, -4.0, 0.08], [9.0, -1.0, 0.06]])
CONSTANT = np.array([[3.0, -2.0]] * 4)
ONE_ROW = np.array([[1.5, -2.0, 7.0]])
LARGE = (
    10_000
    + np.array(
        [
            [-1.1, 0.3, 2.0],
            [0.4, -1.6, 0.9],
            [1.3, 0.2, -1.2],
            [-0.6, 1.9, 0.1],
            [0.8, -0.4, -2.1],
            [-1.7, 1.1, 0.7],
            [0.5, -0.9, 1.4],
            [1.2, 0.6, -0.8],
        ]
    )
).astype(np.float32)
IMAGES = np.array(  # (batch 2, height 2, width 3, channels 2)
    [
        [[[1.0, -3.0], [2.0, -1.0], [4.0, 0.0]], [[0.0, -2.0], [3.0, 5.0], [7.0, 1.0]]],
        [[[5.0, 2.0], [6.0, -4.0], [2.0, 3.0]], [[8.0, 6.0], [1.0, 2.0], [9.0, -6.0]]],
    ]
)
SEQUENCES = np.array(  # (batch 2, time 3, features 4)
    [
        [[2.0, -1.0, 6.0, 0.5], [3.0, -4.0, 8.0, 1.5], [7.0, 0.0, 1.0, -2.0]],
        [[1.0, 5.0, 4.0, 3.0], [9.0, -2.0, 2.0, -0.5], [4.0, 3.0, 5.0, 6.0]],
    ]
)
LARGE_NAME = "float32 numbers near 10 000 keep their precision"

OVER_FEATURES = (
    "Your code averages over the features of each example: that is LayerNorm. BatchNorm averages over the batch axis, "
    "`axis=0`, so that every column is compared with itself."
)
OVER_LAST_AXIS = (
    "Your code averages over the features of each example: that is LayerNorm. BatchNorm averages over all axes but "
    "the last, so that every feature or channel is compared with itself."
)
ROWS_AND_IMAGES = (
    "Your code knows rows and images only. Average over all axes but the last, however many there are: "
    "`tuple(range(x.ndim - 1))`."
)
ONE_MEAN = (
    "Your code takes one mean for the whole array. BatchNorm needs one mean and one variance for each feature "
    "or channel, of shape `(features,)`."
)
SAMPLE_VARIANCE = (
    "Your code divides by N − 1 (`ddof=1`), the sample variance. BatchNorm trains with the biased 1/N variance, "
    "NumPy's default; with `ddof=1` a batch of one row gives NaN."
)
MEAN_SQUARE = "Your variance is E[x²], the mean of the squares. Subtract the mean before you square."
CANCELLATION = (
    "Your variance is E[x²] − E[x]² (or something as delicate) in float32. Near 10 000 the two terms agree in all the "
    "digits that float32 has, so that the difference is rounding noise: −16 or +16 where the variance is 1. "
    "Subtract the mean first, then square."
)
BY_VARIANCE = "Your code divides by the variance. Divide by the standard deviation: take the root."
EPSILON_OUTSIDE = (
    "Your epsilon stands outside the root, `sqrt(var) + epsilon`. It belongs inside: `sqrt(var + epsilon)`. "
    "The two differ where the variance is small."
)
NO_EPSILON = "Your code leaves epsilon out. Then a constant column gives 0/0. Divide by `sqrt(var + epsilon)`."
OTHER_EPSILON = (
    "Your code uses an epsilon of its own, {value}, and not the argument. Write `epsilon` in the formula; "
    "its default is Keras' 1e-3, where PyTorch has 1e-5."
)
EPSILON_AS_FLOOR = (
    "Your epsilon is a floor for the standard deviation, `max(std, epsilon)`. It is added to the variance: "
    "`sqrt(var + epsilon)`."
)
EPSILON_SQUARED = "Your code squares epsilon. It is added to the variance as it is: `sqrt(var + epsilon)`."
NO_BRACKETS = (
    "Brackets are missing: Python divides before it subtracts, so your code takes `mean / std` from x. "
    "Write `(x - mean) / np.sqrt(...)`."
)
IN_PLACE = (
    "Your code changes {names} in place, so the caller's array is not what it was. "
    "Make a new array: `{first} = {first} - ...` instead of `{first} -= ...`."
)


AXES_AS_TUPLE = (("object cannot be interpreted as an integer", "NumPy wants a tuple of axes: `tuple(...)`."),)


def _over(x, axis=0, keepdims=False):
    return x.mean(axis=axis, keepdims=keepdims), x.var(axis=axis, keepdims=keepdims)


def _batch_axes(x):
    return tuple(range(x.ndim - 1))


def _in_place(x, epsilon=1e-3):
    axes = _batch_axes(x)
    x -= x.mean(axis=axes)
    x /= np.sqrt((x * x).mean(axis=axes) + epsilon)
    return x


def _scaled(wrong_hat):
    """A wrong normalisation as a wrong forward pass."""
    return lambda x, gamma, beta, epsilon=1e-3: gamma * wrong_hat(x, epsilon) + beta


def _right_root(variance, epsilon):
    return np.sqrt(variance + epsilon)


# Wrong divisors: sentence, function of variance and epsilon.
_WRONG_ROOTS = (
    (BY_VARIANCE, lambda variance, epsilon: variance + epsilon),
    (BY_VARIANCE, lambda variance, epsilon: variance),
    (EPSILON_OUTSIDE, lambda variance, epsilon: np.sqrt(variance) + epsilon),
    (NO_EPSILON, lambda variance, epsilon: np.sqrt(variance)),
    (EPSILON_AS_FLOOR, lambda variance, epsilon: np.maximum(np.sqrt(variance), epsilon)),
    (EPSILON_SQUARED, lambda variance, epsilon: np.sqrt(variance + epsilon**2)),
    (OTHER_EPSILON.format(value="1e-3"), lambda variance, epsilon: np.sqrt(variance + 1e-3)),
    (OTHER_EPSILON.format(value="1e-5"), lambda variance, epsilon: np.sqrt(variance + 1e-5)),
)


def _hat(mean_and_variance, root=_right_root):
    def wrong_hat(x, epsilon=1e-3):
        x = np.asarray(x)
        mean, variance = mean_and_variance(x)
        return (x - mean) / root(variance, epsilon)

    return wrong_hat


def _right_statistics(x):
    return _over(x, _batch_axes(x))


def _no_brackets(x, epsilon=1e-3):
    mean, variance = _right_statistics(x)
    return x - mean / np.sqrt(variance + epsilon)


def _rows_or_images(x):
    return (0, 1, 2) if x.ndim == 4 else 0


def _rows_or_all(x):
    return 0 if x.ndim == 2 else (0, 1, 2)


# Wrong ways to normalise, for any rank: sentence, implementation, probes on which it is rounding noise.
_WRONG_HATS = (
    Misconception(OVER_FEATURES, _hat(lambda x: _over(x, -1, keepdims=True))),
    Misconception(OVER_FEATURES, _hat(lambda x: _over(x, -1))),  # the shapes only meet in a batch of one row
    # Two mistakes at once: the larger one is named, and the other when that one is mended.
    Misconception(OVER_FEATURES, _hat(lambda x: _over(x, -1, keepdims=True), lambda variance, epsilon: variance**0.5)),
    Misconception(OVER_FEATURES, _hat(lambda x: _over(x, -1), lambda variance, epsilon: variance**0.5)),
    Misconception(
        OVER_FEATURES,
        _hat(lambda x: _over(x, -1, keepdims=True), lambda variance, epsilon: variance**0.5 + epsilon),
    ),
    Misconception(NO_BRACKETS, _no_brackets),
    Misconception(ONE_MEAN, _hat(lambda x: (x.mean(), x.var()))),
    Misconception(SAMPLE_VARIANCE, _hat(lambda x: (x.mean(axis=_batch_axes(x)), x.var(axis=_batch_axes(x), ddof=1)))),
    Misconception(
        SAMPLE_VARIANCE,
        _hat(
            lambda x: (x.mean(axis=_batch_axes(x)), x.var(axis=_batch_axes(x), ddof=1)),
            lambda variance, epsilon: variance**0.5,
        ),
    ),
    Misconception(MEAN_SQUARE, _hat(lambda x: (x.mean(axis=_batch_axes(x)), (x * x).mean(axis=_batch_axes(x))))),
    Misconception(
        CANCELLATION,
        _hat(
            lambda x: (
                x.mean(axis=_batch_axes(x)),
                (x * x).mean(axis=_batch_axes(x)) - x.mean(axis=_batch_axes(x)) ** 2,
            )
        ),
        wild=(LARGE_NAME,),
    ),
    *(Misconception(sentence, _hat(_right_statistics, root)) for sentence, root in _WRONG_ROOTS),
)


class Normalize(CodeQuestion):
    id = "normalize"
    title = "Normalise a batch"
    points = 4
    section = "How normalization works"
    notebook, heading = "02_batchnorm_from_scratch", "Step 2: divide by the standard deviation"
    wanted = "a function `normalize(x, epsilon=1e-3)`"
    changes = IN_PLACE
    may_be_list = True
    hints = (
        "Every column is normalised for itself. Which axis of `x` holds the examples of the batch?",
        "`x.mean(axis=0)` and `x.var(axis=0)` have one number for each column. Subtract the first, then divide by "
        "`np.sqrt(... + epsilon)`.",
    )
    try_first = "Print `x.mean(axis=0)` for a batch of 4 rows and 3 columns: how many numbers do you see, and why?"

    @staticmethod
    def reference(x, epsilon=1e-3):
        x = np.asarray(x, dtype=float)
        return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)

    misconceptions = (
        *_WRONG_HATS,
        Misconception(
            "Your code only subtracts the mean. Now divide by the standard deviation too.",
            lambda x, epsilon=1e-3: x - x.mean(axis=0),
        ),
        Misconception(
            "Your code divides by the standard deviation, but it does not subtract the mean first.",
            lambda x, epsilon=1e-3: x / np.sqrt(x.var(axis=0) + epsilon),
        ),
        Misconception(
            "Your code scales each column to the range from 0 to 1. BatchNorm gives it mean 0 and standard "
            "deviation 1.",
            lambda x, epsilon=1e-3: (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0)),
        ),
        Misconception(IN_PLACE.format(names="`x`", first="x"), _in_place),
    )

    def probes(self, answer):
        return [
            Probe("every column gets mean 0 and standard deviation 1", {"x": FAR_FROM_ZERO}, weight=2),
            Probe("a column with little spread: epsilon stands inside the root", {"x": NEARLY_CONSTANT}),
            Probe("a constant column gives 0", {"x": CONSTANT}, weight=0.5),
            Probe("a batch of one row gives 0", {"x": ONE_ROW}, weight=0.5),
            Probe("another epsilon is used", {"x": FAR_FROM_ZERO}, {"epsilon": 0.5}),
            Probe(LARGE_NAME, {"x": LARGE}, tolerance=0.015),
        ]

    def property_broken(self, name, received, expected):
        return _column_broken(received, expected)


def _column_broken(received, expected):
    """A sentence on the mean or the standard deviation of one column, or ''."""
    for name, measure in (("mean", np.mean), ("standard deviation", np.std)):
        with np.errstate(all="ignore"):
            is_one, should_be = measure(received), measure(expected)
        if np.isfinite(is_one) and abs(is_one - should_be) > 1e-3 * max(1, abs(should_be)):
            should_be = 0.0 if abs(should_be) < 1e-9 else should_be
            return f"The {name} of this column should be {numbers(should_be)}, yours is {numbers(is_one)}."
    return ""


INSTANCE_NORM = (
    "Your code normalises each example by itself, channel by channel: that is instance normalisation. "
    "Average over the batch axis too, over all axes but the last."
)
GAMMA, BETA = np.array([1.5, -0.7, 3.0]), np.array([0.3, -1.2, 2.0])


class BatchNormForward(CodeQuestion):
    id = "batchnorm_forward"
    title = "The forward pass for any rank"
    points = 6
    section = "How normalization works"
    notebook, heading = "02_batchnorm_from_scratch", "Images and channels: any rank"
    wanted = "a function `batchnorm_forward(x, gamma, beta, epsilon=1e-3)`"
    changes = IN_PLACE
    explains = AXES_AS_TUPLE
    may_be_list = True
    hints = (
        "The last axis holds features or channels. You average over all the others, however many there are.",
        "`axes = tuple(range(x.ndim - 1))` names all axes but the last. Normalise over them, then return "
        "`gamma * x_hat + beta`.",
    )
    try_first = "For images of shape (2, 2, 3, 2), how many numbers does the mean of one channel average? Count them."

    @staticmethod
    def reference(x, gamma, beta, epsilon=1e-3):
        x = np.asarray(x, dtype=float)
        axes = tuple(range(x.ndim - 1))
        x_hat = (x - x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + epsilon)
        return gamma * x_hat + beta

    misconceptions = (
        *(
            Misconception(
                OVER_LAST_AXIS if one.sentence == OVER_FEATURES else one.sentence, _scaled(one.wrong), one.wild
            )
            for one in _WRONG_HATS
        ),
        Misconception(ROWS_AND_IMAGES, _scaled(_hat(lambda x: _over(x, _rows_or_images(x))))),
        Misconception(ROWS_AND_IMAGES, _scaled(_hat(lambda x: _over(x, _rows_or_all(x))))),
        Misconception(
            "Your code takes axis 1 for the channels, as PyTorch does for images; here they are on the last axis. "
            "Average over all axes but the last.",
            _scaled(_hat(lambda x: _over(x, (0, *range(2, x.ndim)), keepdims=True))),
        ),
        Misconception(INSTANCE_NORM, _scaled(_hat(lambda x: _over(x, tuple(range(1, x.ndim - 1)), keepdims=True)))),
        Misconception(INSTANCE_NORM, _scaled(_hat(lambda x: _over(x, (1, 2) if x.ndim == 4 else 0, keepdims=True)))),
        Misconception(
            "Your code averages over axis 0 only. With images that gives every pixel a mean of its own. "
            "Average over batch, height and width, and keep the channels.",
            _scaled(_hat(lambda x: _over(x, 0))),
        ),
        Misconception(
            "Your code averages over every axis but the first, so that each example is normalised by itself. "
            "Keep the last axis and average over all before it: they hold the batch and the pixels.",
            _scaled(_hat(lambda x: _over(x, tuple(range(1, x.ndim)), keepdims=True))),
        ),
        Misconception(
            "Your code returns the normalised x without gamma and beta. The last step is missing: `gamma * "
            "x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: BatchNormForward.reference(x, 1.0, 0.0, epsilon),
        ),
        Misconception(
            "Your code leaves beta out. The last step is `gamma * x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: BatchNormForward.reference(x, gamma, 0.0, epsilon),
        ),
        Misconception(
            "Your code leaves gamma out. The last step is `gamma * x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: BatchNormForward.reference(x, 1.0, beta, epsilon),
        ),
        Misconception(
            "Your code subtracts beta. It is added: `gamma * x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: BatchNormForward.reference(x, gamma, -np.asarray(beta), epsilon),
        ),
        Misconception(
            "Your code adds beta before it multiplies: `gamma * (x_hat + beta)`. Scale first, then shift: "
            "`gamma * x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: gamma * BatchNormForward.reference(x, 1.0, beta, epsilon),
        ),
        Misconception(
            "Gamma and beta have changed places. Gamma multiplies, beta is added: `gamma * x_hat + beta`.",
            lambda x, gamma, beta, epsilon=1e-3: BatchNormForward.reference(x, beta, gamma, epsilon),
        ),
        Misconception(IN_PLACE.format(names="`x`", first="x"), _scaled(_in_place)),
    )

    def probes(self, answer):
        three, two = {"gamma": GAMMA, "beta": BETA}, {"gamma": GAMMA[:2], "beta": BETA[:2]}
        four = {"gamma": np.append(GAMMA, 0.8), "beta": np.append(BETA, -0.4)}
        return [
            Probe("a batch of rows: normalise, then scale and shift", {"x": FAR_FROM_ZERO, **three}, weight=2),
            Probe("images: one mean for each channel", {"x": IMAGES, **two}),
            Probe("sequences: one mean for each feature", {"x": SEQUENCES, **four}),
            Probe("a column with little spread: epsilon stands inside the root", {"x": NEARLY_CONSTANT, **two}),
            Probe("a constant column gives beta", {"x": CONSTANT, **two}, weight=0.5),
            Probe("a batch of one row gives beta", {"x": ONE_ROW, **three}, weight=0.5),
            Probe("another epsilon is used", {"x": FAR_FROM_ZERO, **three}, {"epsilon": 0.5}, weight=0.5),
            Probe(LARGE_NAME, {"x": LARGE, **three}, tolerance=0.015),
        ]

    def property_broken(self, name, received, expected):
        return _column_broken(received, expected)


UNBIASED_NOTE = (
    "You store the unbiased variance (N − 1). PyTorch does so, and Keras 2 did for images; Keras 3 stores the "
    "biased one (N). "
    "Both are in use, so this counts as right."
)
MOMENTUM_SIDE = (
    "Your momentum is on the wrong side. In Keras it is the weight of the old value: "
    "`new = momentum * old + (1 - momentum) * batch`. PyTorch writes it the other way round."
)
LAST_BATCH = (
    "Your code keeps the last batch only and forgets the ones before. "
    "The average has to remember: `new = momentum * old + (1 - momentum) * batch`."
)
NEVER_STORES = (
    "The averages never move: after any number of batches they are what they were. "
    "Mix the batch in: `new = momentum * old + (1 - momentum) * batch`."
)
MOVING_DEVIATION = (
    "Your code tracks the standard deviation. Store the variance, and take the root only when you normalise."
)


def _update(
    mean_and_variance=lambda x: _over(x), mix=lambda old, batch, momentum: momentum * old + (1 - momentum) * batch
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
        Misconception(MOMENTUM_SIDE, _update(mix=lambda old, batch, momentum: (1 - momentum) * old + momentum * batch)),
        Misconception(LAST_BATCH, _update(mix=lambda old, batch, momentum: batch)),
        Misconception(NEVER_STORES, _update(mix=lambda old, batch, momentum: old)),
        Misconception(MOVING_DEVIATION, _update(lambda x: (x.mean(axis=0), x.std(axis=0)))),
        Misconception(OVER_FEATURES, _update(lambda x: _over(x, -1))),
        Misconception(ONE_MEAN, _update(lambda x: (x.mean(), x.var()))),
        Misconception(MEAN_SQUARE, _update(lambda x: (x.mean(axis=0), (x * x).mean(axis=0)))),
        Misconception(
            "The batch should count for `1 - momentum`; in your code it counts in full, so the averages grow "
            "without an end.",
            _update(mix=lambda old, batch, momentum: momentum * old + batch),
        ),
        Misconception(
            "Your code takes the plain mean of old and new. Momentum is the weight of the old value: "
            "`momentum * old + (1 - momentum) * batch`.",
            _update(mix=lambda old, batch, momentum: (old + batch) / 2),
        ),
        Misconception(
            "Your code uses 0.99 for the momentum and not the argument. Write `momentum` in the formula.",
            _update(mix=lambda old, batch, momentum: 0.99 * old + 0.01 * batch),
        ),
        Misconception(
            "Brackets are missing: the batch counts for `1 - momentum`, so write `(1 - momentum) * batch`.",
            _update(mix=lambda old, batch, momentum: momentum * old + 1 - momentum * batch),
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
    accepted = (Variant(UNBIASED_NOTE, _update(lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),)

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
        three.append(
            Probe(
                "three different batches in a row", {**old, "x": FAR_FROM_ZERO}, {}, outputs, call=self._three_batches
            )
        )
        return three

    @staticmethod
    def _three_batches(update, given):
        mean, variance, x = given.values()
        result = mean, variance
        for batch in (x, -2 * x, x[:3] + 5):
            result = update(*result, batch, momentum=0.7)
            if not (isinstance(result, (tuple, list)) and len(result) == 2):
                break  # what is wrong with it is said where the results are read
        return result


# The layer as a class ---------------------------------------------------------------------------------------


class _Reference:
    """A right layer, shown by `solution`."""

    class BatchNorm:
        def __init__(self, features, momentum=0.99, epsilon=1e-3):
            self.momentum, self.epsilon = momentum, epsilon
            self.gamma, self.beta = np.ones(features), np.zeros(features)
            self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)

        def __call__(self, x, training=False):
            x = np.asarray(x, dtype=float)
            if training:
                mean, variance = x.mean(axis=0), x.var(axis=0)
                self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
                self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * variance
            else:
                mean, variance = self.moving_mean, self.moving_variance
            return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta


def _layer(
    *,
    batch=lambda x: _over(x),
    stored=None,
    mix=lambda old, new, momentum: momentum * old + (1 - momentum) * new,
    start=(0.0, 1.0),
    update_at_inference=False,
    inference="moving",
    in_training="batch",
    shared=False,
    root=_right_root,
    affine=True,
    only=None,
    still=None,
    default=False,
    reverse=False,
    swap=False,
):
    """A layer class with one thing wrong.

    only: the mode ("training", "inference") in which root and affine are wrong, where they are not in both.
    still: which of the two averages never moves.
    """
    state = {}

    class Wrong:
        def __init__(self, features, momentum=0.99, epsilon=1e-3):
            self.momentum, self.epsilon = momentum, epsilon
            self.gamma, self.beta = np.ones(features), np.zeros(features)
            self.moving_mean, self.moving_variance = np.full(features, start[0]), np.full(features, start[1])
            if shared:
                state.setdefault("mean", self.moving_mean)
                state.setdefault("variance", self.moving_variance)
                self.moving_mean, self.moving_variance = state["mean"], state["variance"]

        def __call__(self, x, training=default):
            x, training = np.asarray(x, dtype=float), training != reverse
            old, mean_variance = (self.moving_mean, self.moving_variance), batch(x)
            if training or update_at_inference:
                mean, variance = (stored or batch)(x)
                new_mean, new_variance = mix(old[0], mean, self.momentum), mix(old[1], variance, self.momentum)
                if swap:
                    new_mean, new_variance = new_variance, new_mean
                if still is not None:
                    new_mean, new_variance = [
                        stays if index == still else moves
                        for index, (stays, moves) in enumerate(zip(old, (new_mean, new_variance), strict=True))
                    ]
                if shared:
                    state["mean"][...], state["variance"][...] = new_mean, new_variance
                else:
                    self.moving_mean, self.moving_variance = new_mean, new_variance
            new = self.moving_mean, self.moving_variance
            if training:
                mean, variance = {"batch": mean_variance, "before": old, "after": new}[in_training]
            else:
                mean, variance = {"batch": mean_variance, "before": old, "moving": new}[inference]
            wrong = only in (None, "training" if training else "inference")
            y = (x - mean) / (root if wrong else _right_root)(variance, self.epsilon)
            return y if wrong and not affine else self.gamma * y + self.beta

    return Wrong


def _build(make, given, *numbers_, **options):
    layer = make(3, *numbers_, **options)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        if name in given:
            setattr(layer, name, given[name])
    return layer


def _in_one_mode(sentence):
    """(mode, sentence) for a sentence that begins with "Your", for both modes and for each alone."""
    rest = f"y{sentence[1:]}"
    return (None, sentence), ("training", f"In training {rest}"), ("inference", f"At inference {rest}")


TWO_LAYERS = "two layers share nothing"


class BatchNormLayer(CodeQuestion):
    id = "BatchNorm"
    title = "A layer with a memory"
    points = 8
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "Two modes"
    wanted = "a class `BatchNorm(features, momentum=0.99, epsilon=1e-3)`"
    changes = IN_PLACE
    reference = _Reference.BatchNorm
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
        Misconception(MOMENTUM_SIDE, _layer(mix=lambda old, new, momentum: (1 - momentum) * old + momentum * new)),
        Misconception(LAST_BATCH, _layer(mix=lambda old, new, momentum: new)),
        Misconception(NEVER_STORES, _layer(mix=lambda old, new, momentum: old)),
        Misconception(MOVING_DEVIATION, _layer(stored=lambda x: (x.mean(axis=0), x.std(axis=0)))),
        Misconception(
            "Your moving variance starts at 0. Start it at 1, or the first inference divides by √epsilon and explodes.",
            _layer(start=(0.0, 0.0)),
        ),
        Misconception(
            "Your layer updates its averages at inference. A prediction must not change the layer: "
            "update only `if training:`.",
            _layer(update_at_inference=True),
        ),
        Misconception(
            "Your layer updates its averages at inference. A prediction must not change the layer: "
            "update only `if training:`.",
            _layer(update_at_inference=True, inference="before"),
        ),
        Misconception(
            "Your layer does the same in both modes: it uses, and keeps, the statistics of the batch even at "
            "inference. Both belong under `if training:`.",
            _layer(update_at_inference=True, inference="batch"),
        ),
        Misconception(
            "Your layer does the same in both modes: it uses the statistics of the batch and keeps nothing. "
            "In training mix them into the moving averages; at inference normalise with those.",
            _layer(inference="batch", mix=lambda old, new, momentum: old),
        ),
        Misconception(
            "Your modes have changed places: `if training:` uses the batch and moves the averages, "
            "inference uses the moving averages.",
            _layer(reverse=True),
        ),
        *(
            Misconception(
                "Mean and variance of the batch have changed places: the first belongs into `self.moving_mean`, "
                "the second into `self.moving_variance`.",
                wrong,
            )
            for wrong in (_layer(stored=lambda x: (x.var(axis=0), x.mean(axis=0))), _layer(swap=True))
        ),
        Misconception(
            "Your layer normalises with the statistics of the batch at inference. Then a prediction depends on its "
            "neighbours in the batch. Use the moving averages when `training` is False.",
            _layer(inference="batch"),
        ),
        Misconception(
            "Your layer normalises with the moving statistics in training. Then the gradient through the statistics "
            "is lost. Use the batch's own mean and variance when `training` is True.",
            _layer(in_training="before"),
        ),
        Misconception(
            "Your layer normalises with the moving statistics in training. Then the gradient through the statistics "
            "is lost. Use the batch's own mean and variance when `training` is True.",
            _layer(in_training="after"),
        ),
        Misconception(
            "All your layers share their averages, because they belong to the class. Create them in `__init__`, "
            "as `self.moving_mean = ...`.",
            _layer(shared=True),
            # What the shared averages hold depends on everything that was called before.
            wild=(TWO_LAYERS,),
        ),
        *(
            Misconception(sentence, _layer(affine=False, only=mode))
            for mode, sentence in _in_one_mode(
                "Your layer leaves gamma and beta out. The last step is `self.gamma * x_hat + self.beta`, "
                "in both modes."
            )
        ),
        *(
            Misconception(said, _layer(root=root, only=mode))
            for sentence, root in _WRONG_ROOTS
            for mode, said in _in_one_mode(sentence)
        ),
        Misconception(
            "The moving mean never moves, the moving variance does: mix the batch's mean into it in the same way.",
            _layer(still=0),
        ),
        Misconception(
            "The moving variance never moves, the moving mean does: mix the batch's variance into it in the same way.",
            _layer(still=1),
        ),
        Misconception(
            "Your layer trains when nothing is said about `training`. The default is `training=False`.",
            _layer(default=True),
        ),
        Misconception(SAMPLE_VARIANCE, _layer(batch=lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),
        Misconception(OVER_FEATURES, _layer(batch=lambda x: _over(x, -1, keepdims=True))),
        Misconception(ONE_MEAN, _layer(batch=lambda x: (x.mean(), x.var()))),
        Misconception(
            "Your layer uses 0.99 for the momentum and not the argument. Keep it in `__init__` as `self.momentum`.",
            _layer(mix=lambda old, new, momentum: 0.99 * old + 0.01 * new),
        ),
    )
    accepted = (Variant(UNBIASED_NOTE, _layer(stored=lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)))),)

    def judge(self, answer):
        if type(answer).__name__ == "BatchNorm":
            return self._nothing('That is a layer, not the class. Write `check("BatchNorm", BatchNorm)`.')
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
        x, parameters = FAR_FROM_ZERO, {"gamma": GAMMA, "beta": BETA}
        trained = {"moving_mean": np.array([1.0, -2.0, 5.0]), "moving_variance": np.array([4.0, 0.001, 9.0])}
        names, y = ("moving_mean", "moving_variance"), ("the output",)
        return [
            Probe(
                "a new layer: gamma 1, beta 0, mean 0, variance 1",
                {"features": 3},
                outputs=("gamma", "beta", *names),
                call=_fresh,
            ),
            Probe(
                "training: the batch's statistics, then gamma and beta",
                {"x": ONE_SMALL_COLUMN, **parameters},
                {},
                y,
                weight=2,
                call=_train,
            ),
            Probe("three different batches move the averages", {"x": x}, {}, names, weight=2, call=_track),
            Probe(
                "inference: the moving statistics, then gamma and beta",
                {"x": x, **parameters, **trained},
                {},
                y,
                weight=2,
                call=_predict,
            ),
            Probe("a prediction changes nothing", {"x": x, **trained}, {}, names, call=_predict_and_look),
            Probe(
                TWO_LAYERS,
                {"x": x},
                {},
                (
                    "the second layer's moving_mean, after the first was trained, less before,",
                    "the second layer's moving_variance, after the first was trained, less before,",
                ),
                weight=0.5,
                call=_two_layers,
            ),
            Probe("momentum is 0.99 if nothing is said", {"x": 10 * x}, {}, names, 1e-4, weight=0.5, call=_default),
        ]


def _fresh(make, given):
    layer = make(given["features"])
    return layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance


def _train(make, given):
    return _build(make, given, momentum=0.8, epsilon=0.05)(given["x"], training=True)


def _track(make, given):
    layer, x = _build(make, given, momentum=0.7), given["x"]
    for batch in (x, -2 * x, x[:3] + 5):
        layer(batch, training=True)
    return layer.moving_mean, layer.moving_variance


def _predict(make, given):
    return _build(make, given, momentum=0.8, epsilon=0.05)(given["x"])


def _predict_and_look(make, given):
    layer = _build(make, given, momentum=0.8)
    if layer(given["x"], training=False) is ...:
        return ...  # without a prediction there is nothing to be said for what it leaves alone
    layer(given["x"][:1])
    return layer.moving_mean, layer.moving_variance


def _two_layers(make, given):
    first, second = make(3, momentum=0.6), make(3, momentum=0.6)
    if second.moving_mean is ... or second.moving_variance is ...:
        return ...
    before = np.array([second.moving_mean, second.moving_variance], dtype=float)
    first(given["x"], training=True)
    return tuple(np.array([second.moving_mean, second.moving_variance], dtype=float) - before)


def _default(make, given):
    layer = make(3)
    layer(given["x"], training=True)
    return layer.moving_mean, layer.moving_variance


# The backward pass ------------------------------------------------------------------------------------------

DY = np.array([[0.5, -1.0, 2.0], [-0.3, 0.8, 1.0], [1.2, 0.4, -0.7], [0.1, -0.6, 0.9]])
DY_SMALL = np.array([[0.5, -1.0], [-0.3, 0.8], [1.2, 0.4], [0.1, -0.6], [0.7, 0.2]])
DY_IMAGES = np.round(np.sin(np.arange(1.0, 25.0) * 1.7), 1).reshape(IMAGES.shape)
DY_SEQUENCES = np.round(np.sin(np.arange(1.0, 25.0) * 2.3), 1).reshape(SEQUENCES.shape)


def _parts(x, epsilon, axes=None):
    axes = _batch_axes(x) if axes is None else axes
    deviation = np.sqrt(x.var(axis=axes) + epsilon)
    return axes, deviation, (x - x.mean(axis=axes)) / deviation


def _backward(dx=None, dgamma=None, dbeta=None, axes=None):
    """The right backward pass with one result replaced.

    Each of the first three is a function of (dy, x, x_hat, gamma, deviation, axes).
    """

    def right_dx(dy, x, x_hat, gamma, deviation, axes):
        return gamma / deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))

    def backward(dy, x, gamma, epsilon=1e-3):
        over, deviation, x_hat = _parts(x, epsilon, axes(x) if callable(axes) else axes)
        given = (dy, x, x_hat, gamma, deviation, over)
        return (
            (dx or right_dx)(*given),
            dgamma(*given) if dgamma else (dy * x_hat).sum(axis=over),
            dbeta(*given) if dbeta else dy.sum(axis=over),
        )

    return backward


def _backward_in_place(dy, x, gamma, epsilon=1e-3):
    axes, deviation, x_hat = _parts(x, epsilon)
    dgamma, dbeta = (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)
    dy -= dy.mean(axis=axes)
    return gamma / deviation * (dy - x_hat * (dy * x_hat).mean(axis=axes)), dgamma, dbeta


def _backward_swapped(dy, x, gamma, epsilon=1e-3):
    dx, dgamma, dbeta = BatchNormBackward.reference(dy, x, gamma, epsilon)
    return dx, dbeta, dgamma


def _backward_with_deviation(deviation_of):
    """The right formulas around another standard deviation, deviation_of(x, axes, epsilon)."""

    def backward(dy, x, gamma, epsilon=1e-3):
        axes = _batch_axes(x)
        deviation = deviation_of(x, axes, epsilon)
        x_hat = (x - x.mean(axis=axes)) / deviation
        dx = gamma / deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
        return dx, (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)

    return backward


def _backward_dx_last(dy, x, gamma, epsilon=1e-3):
    dx, dgamma, dbeta = BatchNormBackward.reference(dy, x, gamma, epsilon)
    return dgamma, dbeta, dx


class BatchNormBackward(CodeQuestion):
    id = "batchnorm_backward"
    title = "The backward pass"
    points = 8
    section = "How normalization works"
    notebook, heading = "02_batchnorm_from_scratch", "Backwards, step by step"
    wanted = "a function `batchnorm_backward(dy, x, gamma, epsilon=1e-3)`"
    changes = IN_PLACE
    explains = AXES_AS_TUPLE
    hints = (
        "Each x acts on y in three ways: directly, through the mean of its column, and through its variance. "
        "So dx has three terms.",
        "`dgamma` and `dbeta` are sums over all axes but the last. For dx begin with `dy`, take away its mean, then "
        "take away what of it lies along `x_hat`. Which factor stands before all that?",
    )
    try_first = (
        "Compare your dx with a numerical gradient of `(w * y).sum()` for one element of x. Which term is missing?"
    )

    @staticmethod
    def reference(dy, x, gamma, epsilon=1e-3):
        dy, x = np.asarray(dy, dtype=float), np.asarray(x, dtype=float)
        axes = tuple(range(x.ndim - 1))
        deviation = np.sqrt(x.var(axis=axes) + epsilon)
        x_hat = (x - x.mean(axis=axes)) / deviation
        dgamma = (dy * x_hat).sum(axis=axes)
        dbeta = dy.sum(axis=axes)
        dx = gamma / deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
        return dx, dgamma, dbeta

    misconceptions = (
        Misconception(
            "Your dx treats mean and variance as constants. Both depend on every x of the column, so two correction "
            "terms are missing: − mean(dy) and − x_hat · mean(dy · x_hat).",
            _backward(lambda dy, x, x_hat, gamma, deviation, axes: gamma / deviation * dy),
        ),
        Misconception(
            "Your dx treats the variance as a constant. The term − x_hat · mean(dy · x_hat) is missing.",
            _backward(lambda dy, x, x_hat, gamma, deviation, axes: gamma / deviation * (dy - dy.mean(axis=axes))),
        ),
        Misconception(
            "Your dx treats the mean as a constant. The term − mean(dy) is missing.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dgamma is averaged over the batch. Gamma acts on every example, so sum: `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x_hat).mean(axis=axes)),
        ),
        Misconception(
            "Your dbeta is averaged over the batch. Beta acts on every example, so sum: `dy.sum(axis=axes)`.",
            _backward(dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy.mean(axis=axes)),
        ),
        Misconception(
            "Your dgamma and dbeta are averaged over the batch. Gamma and beta act on every example, so sum.",
            _backward(
                dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x_hat).mean(axis=axes),
                dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy.mean(axis=axes),
            ),
        ),
        Misconception(
            "Your dgamma is not summed over the batch. There is one gamma for each feature, so its gradient has "
            "shape `(features,)`: `(dy * x_hat).sum(axis=axes)`.",
            _backward(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: dy * x_hat),
        ),
        Misconception(
            "Your dbeta is not summed over the batch. There is one beta for each feature, so its gradient has "
            "shape `(features,)`: `dy.sum(axis=axes)`.",
            _backward(dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy),
        ),
        Misconception(
            "Your dgamma and dbeta are not summed over the batch. There is one gamma and one beta for each feature, "
            "so their gradients have shape `(features,)`.",
            _backward(
                dgamma=lambda dy, x, x_hat, gamma, deviation, axes: dy * x_hat,
                dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy,
            ),
        ),
        Misconception(
            "Your dgamma multiplies dy by x. Gamma multiplies the normalised x_hat, so its gradient is `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x).sum(axis=axes)),
        ),
        Misconception(
            "Your dgamma multiplies dy by y. Gamma multiplies the normalised x_hat, so its gradient is `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * gamma * x_hat).sum(axis=axes)),
        ),
        Misconception(
            "Gamma is missing in your dx. On its way back to x the gradient passes through `gamma * x_hat` first.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes)) / deviation
                )
            ),
        ),
        Misconception(
            "The 1/N is missing in your dx. Both corrections are means over the batch; you take sums.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - dy.sum(axis=axes) - x_hat * (dy * x_hat).sum(axis=axes))
                )
            ),
        ),
        Misconception(
            "With images your dx divides by `len(x)`, the number of examples. A channel has batch · height · width "
            "values: divide by that many, or take `.mean(axis=axes)`.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - (dy.sum(axis=axes) + x_hat * (dy * x_hat).sum(axis=axes)) / len(x))
                )
            ),
        ),
        Misconception(
            "The sign of the x_hat term in your dx is wrong. It is subtracted: − x_hat · mean(dy · x_hat).",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - dy.mean(axis=axes) + x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dx multiplies by the standard deviation. The forward pass divides by it, so the gradient does too.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma * deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dx divides by the variance. The forward pass divides by the standard deviation, so the "
            "gradient does too.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation**2 * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "With images your code sums over axis 0 only. Sum over batch, height and width, and keep the channels.",
            _backward(axes=0),
        ),
        Misconception(ROWS_AND_IMAGES, _backward(axes=_rows_or_images)),
        Misconception(
            "The last division is missing: dx is divided by the standard deviation.",
            _backward(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your code leaves epsilon out. The forward pass divides by `sqrt(var + epsilon)`, and the gradient too.",
            _backward_with_deviation(lambda x, axes, epsilon: x.std(axis=axes)),
        ),
        Misconception(EPSILON_OUTSIDE, _backward_with_deviation(lambda x, axes, epsilon: x.std(axis=axes) + epsilon)),
        Misconception(
            "Your code divides by N − 1 (`ddof=1`), the sample variance. The forward pass uses the biased 1/N "
            "variance, NumPy's default, so the gradient does too.",
            _backward_with_deviation(lambda x, axes, epsilon: np.sqrt(x.var(axis=axes, ddof=1) + epsilon)),
        ),
        Misconception("dgamma and dbeta have changed places: return `dx, dgamma, dbeta`.", _backward_swapped),
        Misconception("The results have changed places: return `dx, dgamma, dbeta`.", _backward_dx_last),
        Misconception(IN_PLACE.format(names="`dy`", first="dy"), _backward_in_place),
    )

    def probes(self, answer):
        outputs = ("dx", "dgamma", "dbeta")
        return [
            Probe(
                "a batch of rows",
                {"dy": DY, "x": FAR_FROM_ZERO, "gamma": GAMMA},
                {},
                outputs,
                split=(("dx", 2), ("dgamma", 1), ("dbeta", 1)),
            ),
            Probe(
                "images: sums over batch, height and width",
                {"dy": DY_IMAGES, "x": IMAGES, "gamma": GAMMA[:2]},
                {},
                outputs,
            ),
            Probe(
                "sequences: sums over batch and time",
                {"dy": DY_SEQUENCES, "x": SEQUENCES, "gamma": np.append(GAMMA, 0.8)},
                {},
                outputs,
            ),
            Probe(
                "a column with little spread: epsilon stands inside the root",
                {"dy": DY_SMALL, "x": NEARLY_CONSTANT, "gamma": GAMMA[:2]},
                {},
                outputs,
            ),
            Probe(
                "another epsilon is used",
                {"dy": DY, "x": FAR_FROM_ZERO, "gamma": GAMMA},
                {"epsilon": 0.5},
                outputs,
                weight=0.5,
            ),
            Probe(
                "float32 arguments",
                {
                    "dy": DY.astype(np.float32),
                    "x": (FAR_FROM_ZERO / 8).astype(np.float32),
                    "gamma": GAMMA.astype(np.float32),
                },
                {},
                outputs,
                tolerance=1e-3,
                weight=0.5,
            ),
        ]

    def property_broken(self, name, received, expected):
        total = received.sum()
        if name != "dx" or not abs(total) > 1e-3 * np.abs(received).max(initial=1e-6):
            return ""
        return (
            "Adding one number to a whole column of x does not change y, so each column of dx must sum to 0; "
            f"this one sums to {numbers(total)}."
        )


# Numbers about BatchNorm ------------------------------------------------------------------------------------


def _steps(momentum, fraction):
    return math.log(1 - fraction) / math.log(momentum)


class WarmUpSteps(CodeQuestion):
    id = "warm_up_steps"
    title = "How long the averages take to warm up"
    points = 3
    section = "Training vs inference"
    notebook, heading = "02_batchnorm_from_scratch", "Step 5: moving statistics"
    wanted = "a function `warm_up_steps(momentum, fraction)`"
    hints = (
        "After one step a fraction 1 − momentum is covered, and momentum of the way is left. What is left "
        "after k steps?",
        "Covered after k steps: `1 - momentum**k`. Find the smallest whole k with `1 - momentum**k >= fraction`, "
        "with a loop or with logarithms.",
    )
    try_first = "With momentum 0.5, which fraction is covered after 1, 2 and 3 steps? Make a table."

    @staticmethod
    def reference(momentum, fraction):
        steps = 1
        while 1 - momentum**steps < fraction:
            steps += 1
        return steps

    misconceptions = (
        Misconception(
            "Your code finds when a fraction is still left. What is covered after k steps is `1 - momentum**k`.",
            lambda momentum, fraction: math.ceil(math.log(fraction) / math.log(momentum)),
        ),
        Misconception(
            "Your code rounds down, one step too early. The fraction has to be reached: round up (`math.ceil`).",
            lambda momentum, fraction: math.floor(_steps(momentum, fraction)),
        ),
        Misconception(
            "Your code rounds to the nearest step, which may be one too early. The fraction has to be reached: "
            "round up (`math.ceil`).",
            lambda momentum, fraction: round(_steps(momentum, fraction)),
        ),
        Misconception(
            "Your code takes one step too many where the fraction is reached exactly: use `>=`, not `>`.",
            lambda momentum, fraction: math.floor(_steps(momentum, fraction)) + 1,
        ),
        Misconception(
            "Your code counts one step too many everywhere. After k steps `1 - momentum**k` is covered, and k "
            "starts at 1.",
            lambda momentum, fraction: math.ceil(_steps(momentum, fraction)) + 1,
        ),
        Misconception(
            "Steps are whole. Round up (`math.ceil`) to the first step at which the fraction is reached.",
            _steps,
        ),
        Misconception(
            "Your momentum is on the wrong side: in Keras it is the weight of the old value, so after k steps "
            "`momentum**k` of the start is left, not `(1 - momentum)**k`.",
            lambda momentum, fraction: math.ceil(math.log(1 - fraction) / math.log(1 - momentum)),
        ),
        Misconception(
            "1 / (1 − momentum) is a rule of thumb: by then 63 % is covered, whatever the fraction asked for.",
            lambda momentum, fraction: round(1 / (1 - momentum)),
        ),
        Misconception(
            "Your code adds 1 − momentum at each step, as if the average came nearer at a constant pace. "
            "It covers a part of what is left: after k steps `1 - momentum**k`.",
            lambda momentum, fraction: math.ceil(fraction / (1 - momentum)),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                f"momentum {momentum:g}, {fraction:.0%}",
                {"momentum": momentum, "fraction": fraction},
                outputs=("the number of steps",),
            )
            for momentum, fraction in ((0.99, 0.9), (0.9, 0.5), (0.5, 0.75), (0.99, 0.99), (0.8, 0.95))
        ]


# Folding ----------------------------------------------------------------------------------------------------


def _fold(kernel=None, bias=None, root=lambda variance, epsilon: np.sqrt(variance + epsilon)):
    def fold(old_kernel, old_bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
        scale = gamma / root(moving_variance, epsilon)
        given = (old_kernel, old_bias, gamma, beta, moving_mean, scale)
        return (
            kernel(*given) if kernel else old_kernel * scale,
            bias(*given) if bias else (old_bias - moving_mean) * scale + beta,
        )

    return fold


def _fold_in_place(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    scale = gamma / np.sqrt(moving_variance + epsilon)
    kernel *= scale
    bias -= moving_mean
    bias *= scale
    bias += beta
    return kernel, bias


def _fold_swapped(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    return FoldBatchNorm.reference(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon)[::-1]


class FoldBatchNorm(CodeQuestion):
    id = "fold_batchnorm"
    title = "Fold BatchNorm into Dense"
    points = 5
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "Folding: Batch Normalization for free"
    wanted = "a function `fold_batchnorm(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3)`"
    changes = (
        "Your code changes {names} in place, so the trained layer is not what it was. "
        "Make new arrays: `kernel * scale` instead of `kernel *= scale`."
    )
    hints = (
        "At inference the moving statistics are fixed, so BatchNorm is `scale * z + shift` with z = x @ kernel + bias. "
        "What are scale and shift?",
        "`scale = gamma / np.sqrt(moving_variance + epsilon)`. Multiply z out: the kernel gets `scale`, "
        "the bias becomes `(bias - moving_mean) * scale + beta`.",
    )
    try_first = "Write `gamma * (x @ kernel + bias - moving_mean) / std + beta` on paper and collect what multiplies x."

    @staticmethod
    def reference(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
        scale = gamma / np.sqrt(moving_variance + epsilon)
        return kernel * scale, (bias - moving_mean) * scale + beta

    misconceptions = (
        Misconception(
            "The kernel is not scaled. Each of its columns gets `gamma / sqrt(moving_variance + epsilon)`.",
            _fold(kernel=lambda kernel, bias, gamma, beta, mean, scale: kernel),
        ),
        Misconception(
            "The old bias is not scaled. BatchNorm multiplies it too: `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: bias - mean * scale + beta),
        ),
        Misconception(
            "The old bias is lost. The new one is `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: beta - mean * scale),
        ),
        Misconception(
            "The moving mean is not scaled. It is subtracted before the scaling: `(bias - moving_mean) * "
            "scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: bias * scale - mean + beta),
        ),
        Misconception(
            "The moving mean is missing in the bias: `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: bias * scale + beta),
        ),
        Misconception(
            "The moving mean has the wrong sign. It is subtracted: `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias + mean) * scale + beta),
        ),
        Misconception(
            "Beta is missing in the bias: `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias - mean) * scale),
        ),
        Misconception(
            "Beta is scaled as well. It is added after the scaling: `(bias - moving_mean) * scale + beta`.",
            _fold(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias - mean + beta) * scale),
        ),
        Misconception(
            "Gamma is missing in the scale: `gamma / sqrt(moving_variance + epsilon)`.",
            lambda kernel, bias, gamma, beta, mean, variance, epsilon=1e-3: _fold()(
                kernel, bias, 1.0, beta, mean, variance, epsilon
            ),
        ),
        Misconception(
            "The scale multiplies the rows of the kernel. A kernel has shape (inputs, units), and BatchNorm "
            "follows the units: "
            "scale its columns, `kernel * scale`.",
            _fold(kernel=lambda kernel, bias, gamma, beta, mean, scale: kernel * scale[:, None]),
        ),
        Misconception(BY_VARIANCE, _fold(root=lambda variance, epsilon: variance + epsilon)),
        Misconception(EPSILON_OUTSIDE, _fold(root=lambda variance, epsilon: np.sqrt(variance) + epsilon)),
        Misconception(
            "Your code leaves epsilon out. The trained network used `sqrt(moving_variance + epsilon)`, so the "
            "folded one must too.",
            _fold(root=lambda variance, epsilon: np.sqrt(variance)),
        ),
        Misconception(
            OTHER_EPSILON.format(value="1e-3"), _fold(root=lambda variance, epsilon: np.sqrt(variance + 1e-3))
        ),
        Misconception(
            OTHER_EPSILON.format(value="1e-5"), _fold(root=lambda variance, epsilon: np.sqrt(variance + 1e-5))
        ),
        Misconception("The results have changed places: return the kernel first, then the bias.", _fold_swapped),
        Misconception(changes.format(names="`kernel` and `bias`"), _fold_in_place),
    )

    def probes(self, answer):
        outputs = ("the new kernel", "the new bias")
        kernel = np.array([[0.5, -1.0], [2.0, 0.3], [-0.8, 1.4]])
        layer = {
            "kernel": kernel,
            "bias": np.array([0.2, -0.5]),
            "gamma": np.array([1.5, -0.7]),
            "beta": np.array([0.3, 2.0]),
            "moving_mean": np.array([4.0, -3.0]),
            "moving_variance": np.array([2.5, 0.4]),
        }
        return [
            Probe("three inputs, two units", layer, {}, outputs, split=(("the kernel", 2), ("the bias", 2))),
            Probe("as many inputs as units", layer | {"kernel": kernel[:2]}, {}, outputs),
            Probe(
                "a small moving variance: epsilon stands inside the root",
                layer | {"moving_variance": np.array([0.0008, 0.003])},
                {},
                outputs,
            ),
            Probe(
                "weights from PyTorch, epsilon 1e-5",
                layer | {"moving_variance": np.array([0.0008, 0.003])},
                {"epsilon": 1e-5},
                outputs,
            ),
        ]
