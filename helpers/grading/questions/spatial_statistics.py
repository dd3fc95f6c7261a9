"""Exercise `spatial_statistics`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import BLOCK, IMAGES
from helpers.grading.questions.wrong_formulas import AXES_AS_TUPLE, IN_PLACE, MEAN_SQUARE

OTHER_SPREAD = np.array([  # (batch 3, height 2, width 2, channels 3): every image has a mean of its own
    [[[1.0, 7.0, 0.0], [2.0, 9.0, 1.0]], [[3.0, 8.0, 0.5], [4.0, 6.0, 2.0]]],
    [[[11.0, -2.0, 4.0], [12.0, -5.0, 3.0]], [[10.0, 0.0, 6.0], [14.0, -3.0, 5.0]]],
    [[[-8.0, 30.0, 9.0], [-5.0, 33.0, 7.0]], [[-6.0, 31.0, 8.0], [-9.0, 35.0, 6.0]]],
])  # fmt: skip


def _over(axes, **options):
    return lambda x: (x.mean(axis=axes), x.var(axis=axes, **options))


def _in_place(x):
    mean = x.mean(axis=(0, 1, 2))
    x -= mean
    return mean, (x * x).mean(axis=(0, 1, 2))


class SpatialStatistics(CodeQuestion):
    id = "spatial_statistics"
    short = "spa"
    title = "The statistics of a convolution"
    points = 4
    section = "Images and other normalisations"
    notebook, heading = "08_beyond_the_lesson", "Images: one mean for each channel"
    wanted = "a function `spatial_statistics(x)`"
    changes = IN_PLACE
    explains = AXES_AS_TUPLE
    hints = (
        "All positions of a channel are seen through the same kernel, so they belong to the same feature. Which axes "
        "are not the channel?",
        "Give NumPy a tuple of axes, all but the last one, for the mean and for the variance.",
    )
    try_first = "Print the shape of your mean for a batch of shape (2, 2, 3, 2). There are two channels: two numbers."

    @staticmethod
    def reference(x):
        x = np.asarray(x, dtype=float)
        return x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))

    misconceptions = (
        Misconception(
            "Your code averages over the batch only, so every pixel has a mean of its own. A convolution sees all "
            "positions through one kernel: average over height and width as well.",
            _over(0),
        ),
        Misconception(
            "Your code averages over height and width only, so every image has means of its own: that is instance "
            "normalisation. Average over the batch as well.",
            _over((1, 2)),
        ),
        Misconception(
            "Your code averages over the channels. Keep the last axis and average over the three in front of it.",
            _over(-1),
        ),
        Misconception(
            "Your code averages over height, width and channels of each image: that is layer normalisation. Keep the "
            "channels, and average over the batch.",
            _over((1, 2, 3)),
        ),
        Misconception(
            "Your code takes one mean for everything. There is one mean and one variance for each channel.",
            _over(None),
        ),
        Misconception(
            "Your code takes axis 1 for the channels, as PyTorch does. Here the channels are on the last axis.",
            _over((0, 2, 3)),
        ),
        Misconception(
            "Your variance divides by N − 1 (`ddof=1`). Batch Normalization trains with the biased variance, which "
            "divides by batch · height · width.",
            _over((0, 1, 2), ddof=1),
        ),
        Misconception(
            "Your second result is the standard deviation. Return the variance.",
            lambda x: (x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))),
        ),
        Misconception(
            "Your variance is the mean of the images' own variances. The means of the images differ too, and their "
            "spread belongs to the variance: take it over batch, height and width at once.",
            lambda x: (x.mean(axis=(0, 1, 2)), x.var(axis=(1, 2)).mean(axis=0)),
        ),
        Misconception(
            "Your variance is that of the images' means. The spread inside each image belongs to the variance: take "
            "it over batch, height and width at once.",
            lambda x: (x.mean(axis=(0, 1, 2)), x.mean(axis=(1, 2)).var(axis=0)),
        ),
        Misconception(MEAN_SQUARE, lambda x: (x.mean(axis=(0, 1, 2)), (x * x).mean(axis=(0, 1, 2)))),
        Misconception(
            "The results have changed places: return the mean, then the variance.",
            lambda x: (x.var(axis=(0, 1, 2)), x.mean(axis=(0, 1, 2))),
        ),
        Misconception(
            "Your variance is a sum of squares. Divide by the number of values: batch · height · width.",
            lambda x: (x.mean(axis=(0, 1, 2)), ((x - x.mean(axis=(0, 1, 2))) ** 2).sum(axis=(0, 1, 2))),
        ),
        Misconception(
            "Your variance divides by the number of images. A channel has batch · height · width values.",
            lambda x: (x.mean(axis=(0, 1, 2)), ((x - x.mean(axis=(0, 1, 2))) ** 2).sum(axis=(0, 1, 2)) / len(x)),
        ),
        Misconception(IN_PLACE.format(names="`x`", first="x"), _in_place),
    )

    def probes(self, answer):
        outputs = ("the mean", "the variance")
        each = (("the mean of each channel", 1.5), ("the biased variance of each channel", 1.5))
        return [
            Probe("two images with two channels", {"x": IMAGES}, outputs=outputs, split=each),
            Probe("images with means of their own", {"x": OTHER_SPREAD}, outputs=outputs),
            Probe("as many images as rows, columns and channels", {"x": BLOCK}, outputs=outputs),
            Probe("float32 images", {"x": OTHER_SPREAD[:2].astype(np.float32)}, outputs=outputs, weight=0.5),
        ]
