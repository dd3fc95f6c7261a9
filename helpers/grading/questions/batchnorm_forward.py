"""Exercise `batchnorm_forward`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import (
    BETA,
    CONSTANT,
    FAR_FROM_ZERO,
    GAMMA,
    IMAGES,
    LARGE,
    LARGE_NAME,
    NEARLY_CONSTANT,
    ONE_ROW,
    SEQUENCES,
)
from helpers.grading.questions.wrong_formulas import (
    AXES_AS_TUPLE,
    IN_PLACE,
    ROWS_AND_IMAGES,
    column_property_broken,
    moments,
    normalize_in_place,
    normalizer,
    rows_or_images_axes,
    wrong_normalizations,
)

OVER_LAST_AXIS = (
    "Your code averages over the features of each example: that is LayerNorm. BatchNorm averages over all axes but "
    "the last, so that every feature or channel is compared with itself."
)


INSTANCE_NORM = (
    "Your code normalises each example by itself, channel by channel: that is instance normalisation. "
    "Average over the batch axis too, over all axes but the last."
)


def _with_gamma_and_beta(wrong_hat):
    """A wrong normalisation as a wrong forward pass."""
    return lambda x, gamma, beta, epsilon=1e-3: gamma * wrong_hat(x, epsilon) + beta


def _rows_or_all_axes(x):
    return 0 if x.ndim == 2 else (0, 1, 2)


class BatchNormForward(CodeQuestion):
    id = "batchnorm_forward"
    short = "fwd"
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
            Misconception(one.sentence, _with_gamma_and_beta(one.wrong), one.wild)
            for one in wrong_normalizations(OVER_LAST_AXIS)
        ),
        Misconception(ROWS_AND_IMAGES, _with_gamma_and_beta(normalizer(lambda x: moments(x, rows_or_images_axes(x))))),
        Misconception(ROWS_AND_IMAGES, _with_gamma_and_beta(normalizer(lambda x: moments(x, _rows_or_all_axes(x))))),
        Misconception(
            "Your code takes axis 1 for the channels, as PyTorch does for images; here they are on the last axis. "
            "Average over all axes but the last.",
            _with_gamma_and_beta(normalizer(lambda x: moments(x, (0, *range(2, x.ndim)), keepdims=True))),
        ),
        Misconception(
            INSTANCE_NORM,
            _with_gamma_and_beta(normalizer(lambda x: moments(x, tuple(range(1, x.ndim - 1)), keepdims=True))),
        ),
        Misconception(
            INSTANCE_NORM,
            _with_gamma_and_beta(normalizer(lambda x: moments(x, (1, 2) if x.ndim == 4 else 0, keepdims=True))),
        ),
        Misconception(
            "Your code averages over axis 0 only. With images that gives every pixel a mean of its own. "
            "Average over batch, height and width, and keep the channels.",
            _with_gamma_and_beta(normalizer(lambda x: moments(x, 0))),
        ),
        Misconception(
            "Your code averages over every axis but the first, so that each example is normalised by itself. "
            "Keep the last axis and average over all before it: they hold the batch and the pixels.",
            _with_gamma_and_beta(normalizer(lambda x: moments(x, tuple(range(1, x.ndim)), keepdims=True))),
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
        Misconception(IN_PLACE.format(names="`x`", first="x"), _with_gamma_and_beta(normalize_in_place)),
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
        return column_property_broken(received, expected)
