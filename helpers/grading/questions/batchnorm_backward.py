"""Exercise `batchnorm_backward`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.describing import numbers
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import FAR_FROM_ZERO, GAMMA, IMAGES, NEARLY_CONSTANT, SEQUENCES
from helpers.grading.questions.wrong_formulas import (
    AXES_AS_TUPLE,
    EPSILON_OUTSIDE,
    IN_PLACE,
    ROWS_AND_IMAGES,
    batch_axes,
    rows_or_images_axes,
)

DY = np.array([[0.5, -1.0, 2.0], [-0.3, 0.8, 1.0], [1.2, 0.4, -0.7], [0.1, -0.6, 0.9]])


DY_SMALL = np.array([[0.5, -1.0], [-0.3, 0.8], [1.2, 0.4], [0.1, -0.6], [0.7, 0.2]])


DY_IMAGES = np.round(np.sin(np.arange(1.0, 25.0) * 1.7), 1).reshape(IMAGES.shape)


DY_SEQUENCES = np.round(np.sin(np.arange(1.0, 25.0) * 2.3), 1).reshape(SEQUENCES.shape)


def _axes_deviation_and_x_hat(x, epsilon, axes=None):
    axes = batch_axes(x) if axes is None else axes
    deviation = np.sqrt(x.var(axis=axes) + epsilon)
    return axes, deviation, (x - x.mean(axis=axes)) / deviation


def _backward_with(dx=None, dgamma=None, dbeta=None, axes=None):
    """The right backward pass with one result replaced.

    Each of the first three is a function of (dy, x, x_hat, gamma, deviation, axes).
    """

    def right_dx(dy, x, x_hat, gamma, deviation, axes):
        return gamma / deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))

    def backward(dy, x, gamma, epsilon=1e-3):
        over, deviation, x_hat = _axes_deviation_and_x_hat(x, epsilon, axes(x) if callable(axes) else axes)
        given = (dy, x, x_hat, gamma, deviation, over)
        return (
            (dx or right_dx)(*given),
            dgamma(*given) if dgamma else (dy * x_hat).sum(axis=over),
            dbeta(*given) if dbeta else dy.sum(axis=over),
        )

    return backward


def _backward_in_place(dy, x, gamma, epsilon=1e-3):
    axes, deviation, x_hat = _axes_deviation_and_x_hat(x, epsilon)
    dgamma, dbeta = (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)
    dy -= dy.mean(axis=axes)
    return gamma / deviation * (dy - x_hat * (dy * x_hat).mean(axis=axes)), dgamma, dbeta


def _backward_swapped(dy, x, gamma, epsilon=1e-3):
    dx, dgamma, dbeta = BatchNormBackward.reference(dy, x, gamma, epsilon)
    return dx, dbeta, dgamma


def _backward_with_deviation(deviation_of):
    """The right formulas around another standard deviation, deviation_of(x, axes, epsilon)."""

    def backward(dy, x, gamma, epsilon=1e-3):
        axes = batch_axes(x)
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
    short = "bwd"
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
            _backward_with(lambda dy, x, x_hat, gamma, deviation, axes: gamma / deviation * dy),
        ),
        Misconception(
            "Your dx treats the variance as a constant. The term − x_hat · mean(dy · x_hat) is missing.",
            _backward_with(lambda dy, x, x_hat, gamma, deviation, axes: gamma / deviation * (dy - dy.mean(axis=axes))),
        ),
        Misconception(
            "Your dx treats the mean as a constant. The term − mean(dy) is missing.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dgamma is averaged over the batch. Gamma acts on every example, so sum: `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward_with(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x_hat).mean(axis=axes)),
        ),
        Misconception(
            "Your dbeta is averaged over the batch. Beta acts on every example, so sum: `dy.sum(axis=axes)`.",
            _backward_with(dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy.mean(axis=axes)),
        ),
        Misconception(
            "Your dgamma and dbeta are averaged over the batch. Gamma and beta act on every example, so sum.",
            _backward_with(
                dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x_hat).mean(axis=axes),
                dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy.mean(axis=axes),
            ),
        ),
        Misconception(
            "Your dgamma is not summed over the batch. There is one gamma for each feature, so its gradient has "
            "shape `(features,)`: `(dy * x_hat).sum(axis=axes)`.",
            _backward_with(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: dy * x_hat),
        ),
        Misconception(
            "Your dbeta is not summed over the batch. There is one beta for each feature, so its gradient has "
            "shape `(features,)`: `dy.sum(axis=axes)`.",
            _backward_with(dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy),
        ),
        Misconception(
            "Your dgamma and dbeta are not summed over the batch. There is one gamma and one beta for each feature, "
            "so their gradients have shape `(features,)`.",
            _backward_with(
                dgamma=lambda dy, x, x_hat, gamma, deviation, axes: dy * x_hat,
                dbeta=lambda dy, x, x_hat, gamma, deviation, axes: dy,
            ),
        ),
        Misconception(
            "Your dgamma multiplies dy by x. Gamma multiplies the normalised x_hat, so its gradient is `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward_with(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * x).sum(axis=axes)),
        ),
        Misconception(
            "Your dgamma multiplies dy by y. Gamma multiplies the normalised x_hat, so its gradient is `(dy * "
            "x_hat).sum(axis=axes)`.",
            _backward_with(dgamma=lambda dy, x, x_hat, gamma, deviation, axes: (dy * gamma * x_hat).sum(axis=axes)),
        ),
        Misconception(
            "Gamma is missing in your dx. On its way back to x the gradient passes through `gamma * x_hat` first.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes)) / deviation
                )
            ),
        ),
        Misconception(
            "The 1/N is missing in your dx. Both corrections are means over the batch; you take sums.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - dy.sum(axis=axes) - x_hat * (dy * x_hat).sum(axis=axes))
                )
            ),
        ),
        Misconception(
            "With images your dx divides by `len(x)`, the number of examples. A channel has batch · height · width "
            "values: divide by that many, or take `.mean(axis=axes)`.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - (dy.sum(axis=axes) + x_hat * (dy * x_hat).sum(axis=axes)) / len(x))
                )
            ),
        ),
        Misconception(
            "The sign of the x_hat term in your dx is wrong. It is subtracted: − x_hat · mean(dy · x_hat).",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation * (dy - dy.mean(axis=axes) + x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dx multiplies by the standard deviation. The forward pass divides by it, so the gradient does too.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma * deviation * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "Your dx divides by the variance. The forward pass divides by the standard deviation, so the "
            "gradient does too.",
            _backward_with(
                lambda dy, x, x_hat, gamma, deviation, axes: (
                    gamma / deviation**2 * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
                )
            ),
        ),
        Misconception(
            "With images your code sums over axis 0 only. Sum over batch, height and width, and keep the channels.",
            _backward_with(axes=0),
        ),
        Misconception(ROWS_AND_IMAGES, _backward_with(axes=rows_or_images_axes)),
        Misconception(
            "The last division is missing: dx is divided by the standard deviation.",
            _backward_with(
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
        """One list, because its order is the order in which a learner reads the cases."""
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
