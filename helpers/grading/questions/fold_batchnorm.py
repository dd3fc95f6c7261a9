"""Exercise `fold_batchnorm`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.wrong_formulas import BY_VARIANCE, EPSILON_OUTSIDE, OTHER_EPSILON


def _fold_with(kernel=None, bias=None, root=lambda variance, epsilon: np.sqrt(variance + epsilon)):
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
    short = "fld"
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
            _fold_with(kernel=lambda kernel, bias, gamma, beta, mean, scale: kernel),
        ),
        Misconception(
            "The old bias is not scaled. BatchNorm multiplies it too: `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: bias - mean * scale + beta),
        ),
        Misconception(
            "The old bias is lost. The new one is `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: beta - mean * scale),
        ),
        Misconception(
            "The moving mean is not scaled. It is subtracted before the scaling: `(bias - moving_mean) * "
            "scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: bias * scale - mean + beta),
        ),
        Misconception(
            "The moving mean is missing in the bias: `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: bias * scale + beta),
        ),
        Misconception(
            "The moving mean has the wrong sign. It is subtracted: `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias + mean) * scale + beta),
        ),
        Misconception(
            "Beta is missing in the bias: `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias - mean) * scale),
        ),
        Misconception(
            "Beta is scaled as well. It is added after the scaling: `(bias - moving_mean) * scale + beta`.",
            _fold_with(bias=lambda kernel, bias, gamma, beta, mean, scale: (bias - mean + beta) * scale),
        ),
        Misconception(
            "Gamma is missing in the scale: `gamma / sqrt(moving_variance + epsilon)`.",
            lambda kernel, bias, gamma, beta, mean, variance, epsilon=1e-3: _fold_with()(
                kernel, bias, 1.0, beta, mean, variance, epsilon
            ),
        ),
        Misconception(
            "The scale multiplies the rows of the kernel. A kernel has shape (inputs, units), and BatchNorm "
            "follows the units: "
            "scale its columns, `kernel * scale`.",
            _fold_with(kernel=lambda kernel, bias, gamma, beta, mean, scale: kernel * scale[:, None]),
        ),
        Misconception(BY_VARIANCE, _fold_with(root=lambda variance, epsilon: variance + epsilon)),
        Misconception(EPSILON_OUTSIDE, _fold_with(root=lambda variance, epsilon: np.sqrt(variance) + epsilon)),
        Misconception(
            "Your code leaves epsilon out. The trained network used `sqrt(moving_variance + epsilon)`, so the "
            "folded one must too.",
            _fold_with(root=lambda variance, epsilon: np.sqrt(variance)),
        ),
        Misconception(
            OTHER_EPSILON.format(value="1e-3"), _fold_with(root=lambda variance, epsilon: np.sqrt(variance + 1e-3))
        ),
        Misconception(
            OTHER_EPSILON.format(value="1e-5"), _fold_with(root=lambda variance, epsilon: np.sqrt(variance + 1e-5))
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
