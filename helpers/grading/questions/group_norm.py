"""Exercise `group_norm`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.wrong_formulas import (
    BATCH_INSTEAD,
    BY_VARIANCE,
    EPSILON_OUTSIDE,
    IN_PLACE,
    KEEP_DIMENSIONS,
    NO_EPSILON,
    normalizer,
    right_root,
)

# (batch 2, height 2, width 3, channels 6), with means far from 0 that differ between channels and images.
X = np.round(10 * np.sin(np.arange(1.0, 73.0) * 1.3), 1).reshape(2, 2, 3, 6) + np.array([5.0, 0, -8, 20, 1, -3])
X = X + np.array([0.0, 12.0]).reshape(2, 1, 1, 1)
SMALL = 5 + X[:1] / 400
GAMMA, BETA = np.array([1.5, -0.7, 3.0, 0.4, -2.0, 0.9]), np.array([0.3, -1.2, 2.0, -0.5, 0.0, 1.1])


def _grouped(axes, *, split=None, join=None, root=right_root, centre=True, ddof=0):
    """A wrong Group Normalization: other axes of (batch, height, width, group, channel), or another split."""

    def group_norm(x, gamma, beta, groups, epsilon=1e-3):
        parts = (split or _neighbours)(x, groups)

        def statistics(parts):
            mean = parts.mean(axis=axes, keepdims=True) if centre else 0.0
            return mean, ((parts - mean) ** 2).sum(axis=axes, keepdims=True) / (
                np.prod([parts.shape[axis] for axis in axes]) - ddof
            )

        return gamma * (join or _joined)(normalizer(statistics, root)(parts, epsilon), x.shape) + beta

    return group_norm


def _neighbours(x, groups):
    return x.reshape(*x.shape[:3], groups, -1)


def _interleaved(x, groups):
    return x.reshape(*x.shape[:3], -1, groups).swapaxes(3, 4)


def _joined(parts, shape):
    return parts.reshape(shape)


def _with(gamma, beta):
    """The right normalisation with other factors."""
    return lambda x, g, b, groups, epsilon=1e-3: GroupNorm.reference(x, gamma(g, b), beta(g, b), groups, epsilon)


def _in_place(x, gamma, beta, groups, epsilon=1e-3):
    parts = x.reshape(*x.shape[:3], groups, -1)
    parts -= parts.mean(axis=(1, 2, 4), keepdims=True)
    parts /= np.sqrt((parts * parts).mean(axis=(1, 2, 4), keepdims=True) + epsilon)
    return gamma * x + beta


class GroupNorm(CodeQuestion):
    id = "group_norm"
    short = "grp"
    title = "Group Normalization"
    points = 5
    section = "Images and other normalisations"
    notebook, heading = "08_beyond_the_lesson", "The other normalisations: one formula, other axes"
    wanted = "a function `group_norm(x, gamma, beta, groups, epsilon=1e-3)`"
    changes = IN_PLACE
    explains = (("could not be broadcast", KEEP_DIMENSIONS),)
    hints = (
        "Give the channels two axes: the group, and the place inside of it. Then each group is a block of its own.",
        "`x.reshape(batch, height, width, groups, channels // groups)`, statistics over axes 1, 2 and 4 with "
        "`keepdims=True`, and back to the shape of x before gamma and beta.",
    )
    try_first = "Count the means: a batch of 2 images in 3 groups has 6 of them. How many has yours?"

    @staticmethod
    def reference(x, gamma, beta, groups, epsilon=1e-3):
        x = np.asarray(x, dtype=float)
        parts = x.reshape(*x.shape[:3], groups, x.shape[3] // groups)
        mean = parts.mean(axis=(1, 2, 4), keepdims=True)
        variance = parts.var(axis=(1, 2, 4), keepdims=True)
        x_hat = ((parts - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
        return gamma * x_hat + beta

    misconceptions = (
        Misconception(
            "Your groups are made of channels that lie apart: channel 0 with channel `groups`, and so on. A group is "
            "made of neighbours: reshape the channels to `(groups, channels // groups)`, in this order.",
            _grouped((1, 2, 4), split=_interleaved, join=lambda parts, shape: parts.swapaxes(3, 4).reshape(shape)),
        ),
        Misconception(
            "You took the number of groups for the number of channels in a group.",
            _grouped((1, 2, 4), split=lambda x, groups: x.reshape(*x.shape[:3], -1, groups)),
        ),
        Misconception(
            "Your code makes one group of all channels: that is layer normalisation of an image.",
            _grouped((1, 2, 3, 4)),
        ),
        Misconception(
            "Your code normalises every channel by itself: that is instance normalisation. The channels of a group "
            "share a mean.",
            _grouped((1, 2)),
        ),
        Misconception(
            "Your code averages over the batch as well. In Group Normalization every image is normalised by itself.",
            _grouped((0, 1, 2, 4)),
        ),
        Misconception(BATCH_INSTEAD, _grouped((0, 1, 2))),
        Misconception(
            "Every position has a mean of its own in your code. Average over height and width as well.",
            _grouped((4,)),
        ),
        Misconception(
            "Your code does not subtract the mean. Subtract the mean of the group first.",
            _grouped((1, 2, 4), centre=False),
        ),
        Misconception(
            "Your variance divides by the number of values − 1 (`ddof=1`). Keras divides by their number.",
            _grouped((1, 2, 4), ddof=1),
        ),
        Misconception(EPSILON_OUTSIDE, _grouped((1, 2, 4), root=lambda variance, epsilon: np.sqrt(variance) + epsilon)),
        Misconception(
            NO_EPSILON.replace("column", "group"), _grouped((1, 2, 4), root=lambda variance, epsilon: variance**0.5)
        ),
        Misconception(BY_VARIANCE, _grouped((1, 2, 4), root=lambda variance, epsilon: variance + epsilon)),
        Misconception(
            "Your code leaves gamma and beta out: `gamma * x_hat + beta`.", _with(lambda g, b: 1, lambda g, b: 0)
        ),
        Misconception("Your code leaves beta out: `gamma * x_hat + beta`.", _with(lambda g, b: g, lambda g, b: 0)),
        Misconception("Your code leaves gamma out: `gamma * x_hat + beta`.", _with(lambda g, b: 1, lambda g, b: b)),
        Misconception(
            "Gamma and beta have changed places: gamma multiplies, beta is added.",
            _with(lambda g, b: b, lambda g, b: g),
        ),
        Misconception(IN_PLACE.format(names="`x`", first="x"), _in_place),
    )

    def probes(self, answer):
        factors = {"gamma": GAMMA, "beta": BETA}
        return [
            Probe("two images in three groups", {"x": X, **factors}, {"groups": 3}, weight=2),
            Probe("two groups", {"x": X, **factors}, {"groups": 2}),
            Probe("one group: every image by itself", {"x": X, **factors}, {"groups": 1}, weight=0.5),
            Probe("as many groups as channels", {"x": X, **factors}, {"groups": 6}, weight=0.5),
            Probe("little spread: epsilon stands inside the root", {"x": SMALL, **factors}, {"groups": 3}),
            Probe("another epsilon is used", {"x": X, **factors}, {"groups": 3, "epsilon": 20.0}, weight=0.5),
        ]
