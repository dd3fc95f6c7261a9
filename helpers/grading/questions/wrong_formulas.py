"""Mistakes that several questions know, as sentences and as code."""

import numpy as np

from helpers.grading.describing import numbers
from helpers.grading.question import Misconception
from helpers.grading.questions.probe_batches import LARGE_NAME

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


BATCH_INSTEAD = (
    "Your code averages over the batch: that is BatchNorm. Here every example is normalised by itself, so that its "
    "output does not depend on its neighbours."
)


KEEP_DIMENSIONS = (
    "A mean over the last axes has fewer axes than x. `keepdims=True` keeps them, so that the two can be subtracted."
)


AXES_AS_TUPLE = (("object cannot be interpreted as an integer", "NumPy wants a tuple of axes: `tuple(...)`."),)


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


EPSILON_STORED = (
    "Your code adds epsilon to the variance that it stores. Store the batch's variance as it is: epsilon is added only "
    "where you divide, or it would count twice."
)
MOVING_DEVIATION = (
    "Your code tracks the standard deviation. Store the variance, and take the root only when you normalise."
)


def moments(x, axis=0, keepdims=False):
    return x.mean(axis=axis, keepdims=keepdims), x.var(axis=axis, keepdims=keepdims)


def batch_axes(x):
    return tuple(range(x.ndim - 1))


def normalize_in_place(x, epsilon=1e-3):
    axes = batch_axes(x)
    x -= x.mean(axis=axes)
    x /= np.sqrt((x * x).mean(axis=axes) + epsilon)
    return x


def right_root(variance, epsilon):
    return np.sqrt(variance + epsilon)


# Wrong divisors: sentence, function of variance and epsilon.
WRONG_ROOTS = (
    (BY_VARIANCE, lambda variance, epsilon: variance + epsilon),
    (BY_VARIANCE, lambda variance, epsilon: variance),
    (EPSILON_OUTSIDE, lambda variance, epsilon: np.sqrt(variance) + epsilon),
    (NO_EPSILON, lambda variance, epsilon: np.sqrt(variance)),
    (EPSILON_AS_FLOOR, lambda variance, epsilon: np.maximum(np.sqrt(variance), epsilon)),
    (EPSILON_SQUARED, lambda variance, epsilon: np.sqrt(variance + epsilon**2)),
    (OTHER_EPSILON.format(value="1e-3"), lambda variance, epsilon: np.sqrt(variance + 1e-3)),
    (OTHER_EPSILON.format(value="1e-5"), lambda variance, epsilon: np.sqrt(variance + 1e-5)),
)


def normalizer(mean_and_variance, root=right_root):
    def wrong_hat(x, epsilon=1e-3):
        x = np.asarray(x)
        mean, variance = mean_and_variance(x)
        return (x - mean) / root(variance, epsilon)

    return wrong_hat


def _right_statistics(x):
    return moments(x, batch_axes(x))


def _no_brackets(x, epsilon=1e-3):
    mean, variance = _right_statistics(x)
    return x - mean / np.sqrt(variance + epsilon)


def rows_or_images_axes(x):
    return (0, 1, 2) if x.ndim == 4 else 0


def wrong_normalizations(over_features):
    """Wrong ways to normalise, for any rank: sentence, implementation, probes on which it gives rounding noise.

    One long list, since the first of them that fits an answer is the one that is named.

    over_features: what to say to an average over the features of each example.
    """
    return (
        Misconception(over_features, normalizer(lambda x: moments(x, -1, keepdims=True))),
        Misconception(
            over_features, normalizer(lambda x: moments(x, -1))
        ),  # the shapes only meet in a batch of one row
        # Only the mean over the wrong axis.
        Misconception(over_features, normalizer(lambda x: (x.mean(axis=-1, keepdims=True), x.var(axis=batch_axes(x))))),
        # Two mistakes at once: the larger one is named, and the other when that one is mended.
        Misconception(
            over_features, normalizer(lambda x: moments(x, -1, keepdims=True), lambda variance, epsilon: variance**0.5)
        ),
        Misconception(over_features, normalizer(lambda x: moments(x, -1), lambda variance, epsilon: variance**0.5)),
        Misconception(
            over_features,
            normalizer(lambda x: moments(x, -1, keepdims=True), lambda variance, epsilon: variance**0.5 + epsilon),
        ),
        Misconception(NO_BRACKETS, _no_brackets),
        Misconception(ONE_MEAN, normalizer(lambda x: (x.mean(), x.var()))),
        Misconception(
            SAMPLE_VARIANCE, normalizer(lambda x: (x.mean(axis=batch_axes(x)), x.var(axis=batch_axes(x), ddof=1)))
        ),
        Misconception(
            SAMPLE_VARIANCE,
            normalizer(
                lambda x: (x.mean(axis=batch_axes(x)), x.var(axis=batch_axes(x), ddof=1)),
                lambda variance, epsilon: variance**0.5,
            ),
        ),
        Misconception(
            MEAN_SQUARE, normalizer(lambda x: (x.mean(axis=batch_axes(x)), (x * x).mean(axis=batch_axes(x))))
        ),
        Misconception(
            CANCELLATION,
            normalizer(
                lambda x: (
                    x.mean(axis=batch_axes(x)),
                    (x * x).mean(axis=batch_axes(x)) - x.mean(axis=batch_axes(x)) ** 2,
                )
            ),
            wild=(LARGE_NAME,),
        ),
        *(Misconception(sentence, normalizer(_right_statistics, root)) for sentence, root in WRONG_ROOTS),
    )


def column_property_broken(received, expected):
    """A sentence on the mean or the standard deviation of one column, or ''."""
    for name, measure in (("mean", np.mean), ("standard deviation", np.std)):
        with np.errstate(all="ignore"):
            is_one, should_be = measure(received), measure(expected)
        if np.isfinite(is_one) and abs(is_one - should_be) > 1e-3 * max(1, abs(should_be)):
            should_be = 0.0 if abs(should_be) < 1e-9 else should_be
            return f"The {name} of this column should be {numbers(should_be)}, yours is {numbers(is_one)}."
    return ""
