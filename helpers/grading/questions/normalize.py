"""Exercise `normalize`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import CONSTANT, FAR_FROM_ZERO, LARGE, LARGE_NAME, NEARLY_CONSTANT, ONE_ROW
from helpers.grading.questions.wrong_formulas import (
    IN_PLACE,
    column_property_broken,
    normalize_in_place,
    wrong_normalizations,
)

OVER_FEATURES = (
    "Your code averages over the features of each example: that is LayerNorm. BatchNorm averages over the batch axis, "
    "`axis=0`, so that every column is compared with itself."
)


class Normalize(CodeQuestion):
    id = "normalize"
    short = "nor"
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
        *wrong_normalizations(OVER_FEATURES),
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
        Misconception(IN_PLACE.format(names="`x`", first="x"), normalize_in_place),
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
        return column_property_broken(received, expected)
