"""Exercise `layer_norm`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.describing import numbers
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import BETA, BLOCK, FAR_FROM_ZERO, GAMMA, SEQUENCES, SMALL_ROWS
from helpers.grading.questions.wrong_formulas import (
    BATCH_INSTEAD,
    BY_VARIANCE,
    EPSILON_OUTSIDE,
    IN_PLACE,
    KEEP_DIMENSIONS,
    MEAN_SQUARE,
    NO_EPSILON,
    normalizer,
    right_root,
)

SQUARE = np.array([[2.0, -5.0, 10.0], [4.0, -4.0, 30.0], [6.0, -3.0, 20.0]])


def over(axes, *, centre=True, root=right_root, **options):
    """A wrong Layer Normalization: other axes, no centring, another root, or other options of the variance."""

    def statistics(x):
        over_axes = axes(x) if callable(axes) else axes
        mean = x.mean(axis=over_axes, keepdims=True) if centre else 0.0
        variance = ((x - mean) ** 2).mean(axis=over_axes, keepdims=True)
        return mean, x.var(axis=over_axes, keepdims=True, **options) if options else variance

    return with_gamma_and_beta(normalizer(statistics, root))


def with_gamma_and_beta(wrong_hat):
    """A wrong normalisation as a wrong layer."""
    return lambda x, gamma, beta, epsilon=1e-3: gamma * wrong_hat(x, epsilon) + beta


def _with(gamma, beta):
    """The right normalisation with other factors; both are functions of the two given ones."""
    return lambda x, g, b, epsilon=1e-3: LayerNorm.reference(x, gamma(g, b), beta(g, b), epsilon)


def _in_place(x, gamma, beta, epsilon=1e-3):
    x -= x.mean(axis=-1, keepdims=True)
    x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon)
    return gamma * x + beta


class LayerNorm(CodeQuestion):
    id = "layer_norm"
    short = "lnf"
    title = "Layer Normalization"
    points = 4
    section = "Images and other normalisations"
    notebook, heading = "08_beyond_the_lesson", "The other normalisations: one formula, other axes"
    wanted = "a function `layer_norm(x, gamma, beta, epsilon=1e-3)`"
    changes = IN_PLACE
    explains = (("could not be broadcast", KEEP_DIMENSIONS),)
    may_be_list = True
    hints = (
        "Every position is normalised with its own mean and variance. Which axis holds the features of one position?",
        "Mean and variance over `axis=-1` with `keepdims=True`; then normalise, scale by gamma and shift by beta.",
    )
    try_first = "Normalise one row alone, then the same row in a batch. Layer Normalization gives the same twice."

    @staticmethod
    def reference(x, gamma, beta, epsilon=1e-3):
        x = np.asarray(x, dtype=float)
        mean = x.mean(axis=-1, keepdims=True)
        variance = x.var(axis=-1, keepdims=True)
        return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta

    misconceptions = (
        Misconception(BATCH_INSTEAD, over(0)),
        Misconception(BATCH_INSTEAD, over(lambda x: tuple(range(x.ndim - 1)))),
        Misconception(
            "Your code takes one mean for the whole array. Every example, and every position of a sequence, has a "
            "mean of its own.",
            over(None),
        ),
        Misconception(
            "With sequences your code averages over time as well. `layer_norm` averages over the last axis alone.",
            over(lambda x: tuple(range(1, x.ndim))),
        ),
        Misconception(
            "Your code does not subtract the mean: that is RMSNorm. Subtract it first.",
            over(-1, centre=False),
        ),
        Misconception(
            "Your code subtracts the mean, and then divides by the root of the mean square of what it was before. "
            + MEAN_SQUARE,
            with_gamma_and_beta(
                normalizer(lambda x: (x.mean(axis=-1, keepdims=True), (x * x).mean(axis=-1, keepdims=True)))
            ),
        ),
        Misconception(
            "Your variance divides by features − 1 (`ddof=1`). Layer Normalization uses the biased variance.",
            over(-1, ddof=1),
        ),
        Misconception(EPSILON_OUTSIDE, over(-1, root=lambda variance, epsilon: np.sqrt(variance) + epsilon)),
        Misconception(NO_EPSILON.replace("column", "row"), over(-1, root=lambda variance, epsilon: np.sqrt(variance))),
        Misconception(BY_VARIANCE, over(-1, root=lambda variance, epsilon: variance + epsilon)),
        Misconception(
            "Your code only subtracts the mean. Divide by the standard deviation as well.",
            over(-1, root=lambda variance, epsilon: 1.0),
        ),
        Misconception(
            "Your code leaves gamma and beta out: `gamma * x_hat + beta`.", _with(lambda g, b: 1, lambda g, b: 0)
        ),
        Misconception("Your code leaves beta out: `gamma * x_hat + beta`.", _with(lambda g, b: g, lambda g, b: 0)),
        Misconception("Your code leaves gamma out: `gamma * x_hat + beta`.", _with(lambda g, b: 1, lambda g, b: b)),
        Misconception(
            "Gamma and beta have changed places: gamma multiplies, beta is added.",
            _with(lambda g, b: b, lambda g, b: g),
        ),
        Misconception(
            "Your code adds beta before it multiplies. Scale first, then shift: `gamma * x_hat + beta`.",
            _with(lambda g, b: g, lambda g, b: np.asarray(g) * b),
        ),
        Misconception(IN_PLACE.format(names="`x`", first="x"), _in_place),
    )

    def probes(self, answer):
        three = {"gamma": GAMMA, "beta": BETA}
        four = {"gamma": np.append(GAMMA, 0.8), "beta": np.append(BETA, -0.4)}
        two = {"gamma": GAMMA[:2], "beta": BETA[:2]}
        return [
            Probe("a batch of rows: each row is normalised by itself", {"x": FAR_FROM_ZERO, **three}, weight=2),
            Probe("as many rows as features", {"x": SQUARE, **three}),
            Probe("sequences: each position is normalised by itself", {"x": SEQUENCES, **four}),
            Probe("images: each position is normalised by itself", {"x": BLOCK, **two}, weight=0.5),
            Probe("rows with little spread: epsilon stands inside the root", {"x": SMALL_ROWS, **three}),
            Probe("another epsilon is used", {"x": FAR_FROM_ZERO, **three}, {"epsilon": 50.0}, weight=0.5),
            Probe("a batch of one row", {"x": FAR_FROM_ZERO[1:2], **three}, weight=0.5),
        ]

    def property_broken(self, name, received, expected):
        return f"Its mean should be {numbers(expected.mean())}, yours is {numbers(received.mean())}."
