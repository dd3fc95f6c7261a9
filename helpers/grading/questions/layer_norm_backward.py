"""Exercise `layer_norm_backward`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.describing import numbers
from helpers.grading.question import CodeQuestion, Misconception
from helpers.grading.questions.probe_batches import FAR_FROM_ZERO, GAMMA, SEQUENCES, SMALL_ROWS
from helpers.grading.questions.wrong_formulas import EPSILON_OUTSIDE, IN_PLACE, KEEP_DIMENSIONS, batch_axes

DY = np.array([[0.5, -1.0, 2.0], [-0.3, 0.8, 1.0], [1.2, 0.4, -0.7], [0.1, -0.6, 0.9]])
DY_SEQUENCES = np.round(np.sin(np.arange(1.0, 25.0) * 2.3), 1).reshape(SEQUENCES.shape)
SQUARE = np.array([[2.0, -5.0, 10.0], [4.0, -4.0, 30.0], [6.0, -3.0, 20.0]])


def _mean(values, axes=-1):
    return values.mean(axis=axes, keepdims=True)


def _root(x, epsilon):
    return np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)


def _right_dx(dy, x_hat, gamma, root):
    arriving = gamma * dy
    return (arriving - _mean(arriving) - x_hat * _mean(arriving * x_hat)) / root


def _backward(dx=_right_dx, dgamma=None, dbeta=None, root=_root):
    """The right backward pass with one part replaced. dx: of (dy, x_hat, gamma, root); the others of (dy, x_hat, x)."""

    def layer_norm_backward(dy, x, gamma, epsilon=1e-3):
        deviation = root(x, epsilon)
        x_hat = (x - _mean(x)) / deviation
        return (
            dx(dy, x_hat, gamma, deviation),
            dgamma(dy, x_hat, x) if dgamma else (dy * x_hat).sum(axis=batch_axes(x)),
            dbeta(dy, x_hat, x) if dbeta else dy.sum(axis=batch_axes(x)),
        )

    return layer_norm_backward


def _as_batchnorm(dy, x, gamma, epsilon=1e-3):
    axes = batch_axes(x)
    root = np.sqrt(x.var(axis=axes) + epsilon)
    x_hat = (x - x.mean(axis=axes)) / root
    dx = gamma / root * (dy - dy.mean(axis=axes) - x_hat * (dy * x_hat).mean(axis=axes))
    return dx, (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)


def _swapped(dy, x, gamma, epsilon=1e-3):
    dx, dgamma, dbeta = LayerNormBackward.reference(dy, x, gamma, epsilon)
    return dx, dbeta, dgamma


def _in_place(dy, x, gamma, epsilon=1e-3):
    _, dgamma, dbeta = LayerNormBackward.reference(dy, x, gamma, epsilon)
    root = _root(x, epsilon)
    x_hat = (x - _mean(x)) / root
    dy *= gamma
    return (dy - _mean(dy) - x_hat * _mean(dy * x_hat)) / root, dgamma, dbeta


class LayerNormBackward(CodeQuestion):
    id = "layer_norm_backward"
    short = "lbw"
    title = "The backward pass of Layer Normalization"
    points = 6
    section = "Images and other normalisations"
    notebook, heading = "08_beyond_the_lesson", "The other normalisations: one formula, other axes"
    wanted = "a function `layer_norm_backward(dy, x, gamma, epsilon=1e-3)`"
    changes = IN_PLACE
    explains = (("could not be broadcast", KEEP_DIMENSIONS),)
    hints = (
        "The three paths are those of Batch Normalization, over the last axis. But gamma now stands inside of a mean.",
        "First `dx_hat = gamma * dy`. Both corrections are means of `dx_hat` and `dx_hat * x_hat` over the last axis. "
        "dgamma and dbeta are sums over all other axes.",
    )
    try_first = "Set gamma to ones and compare with a numerical gradient. Then use another gamma: what changes?"

    @staticmethod
    def reference(dy, x, gamma, epsilon=1e-3):
        dy, x = np.asarray(dy, dtype=float), np.asarray(x, dtype=float)
        root = np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
        x_hat = (x - x.mean(axis=-1, keepdims=True)) / root
        axes = tuple(range(x.ndim - 1))
        dgamma, dbeta = (dy * x_hat).sum(axis=axes), dy.sum(axis=axes)
        dx_hat = gamma * dy
        mean = dx_hat.mean(axis=-1, keepdims=True)
        along = (dx_hat * x_hat).mean(axis=-1, keepdims=True)
        return (dx_hat - mean - x_hat * along) / root, dgamma, dbeta

    misconceptions = (
        Misconception(
            "These are the formulas of Batch Normalization: your means go over the batch. Layer Normalization takes "
            "them over the last axis.",
            _as_batchnorm,
        ),
        Misconception(
            "Your dx treats mean and variance as constants. Both depend on every x of the row, so two corrections are "
            "missing.",
            _backward(lambda dy, x_hat, gamma, root: gamma * dy / root),
        ),
        Misconception(
            "Your dx treats the variance as a constant: the term − x_hat · mean(dx_hat · x_hat) is missing.",
            _backward(lambda dy, x_hat, gamma, root: (gamma * dy - _mean(gamma * dy)) / root),
        ),
        Misconception(
            "Your dx treats the mean as a constant: the term − mean(dx_hat) is missing.",
            _backward(lambda dy, x_hat, gamma, root: (gamma * dy - x_hat * _mean(gamma * dy * x_hat)) / root),
        ),
        Misconception(
            "Your gamma stands in front of everything, as in Batch Normalization. Here gamma differs from feature to "
            "feature inside each mean, so multiply first: `dx_hat = gamma * dy`.",
            _backward(lambda dy, x_hat, gamma, root: gamma * (dy - _mean(dy) - x_hat * _mean(dy * x_hat)) / root),
        ),
        Misconception(
            "Gamma is missing in your dx: `dx_hat = gamma * dy` is what arrives at x_hat.",
            _backward(lambda dy, x_hat, gamma, root: (dy - _mean(dy) - x_hat * _mean(dy * x_hat)) / root),
        ),
        Misconception(
            "The division by the number of features is missing: both corrections are means, and you take sums.",
            _backward(
                lambda dy, x_hat, gamma, root: (
                    (
                        gamma * dy
                        - (gamma * dy).sum(axis=-1, keepdims=True)
                        - x_hat * (gamma * dy * x_hat).sum(axis=-1, keepdims=True)
                    )
                    / root
                )
            ),
        ),
        Misconception(
            "The sign of the x_hat term is wrong. It is subtracted.",
            _backward(
                lambda dy, x_hat, gamma, root: (
                    (gamma * dy - _mean(gamma * dy) + x_hat * _mean(gamma * dy * x_hat)) / root
                )
            ),
        ),
        Misconception(
            "The last division is missing: dx is divided by the standard deviation.",
            _backward(lambda dy, x_hat, gamma, root: _right_dx(dy, x_hat, gamma, 1.0)),
        ),
        Misconception(
            "Your dx multiplies by the standard deviation. The forward pass divides by it, so the gradient does too.",
            _backward(lambda dy, x_hat, gamma, root: _right_dx(dy, x_hat, gamma, 1 / root)),
        ),
        Misconception(
            "Your dgamma and dbeta are sums over the features. There is one gamma and one beta for each feature, so "
            "sum over all axes but the last.",
            _backward(
                dgamma=lambda dy, x_hat, x: (dy * x_hat).sum(axis=-1), dbeta=lambda dy, x_hat, x: dy.sum(axis=-1)
            ),
        ),
        Misconception(
            "Your dgamma and dbeta are averaged. Gamma and beta act on every row, so sum.",
            _backward(
                dgamma=lambda dy, x_hat, x: (dy * x_hat).mean(axis=batch_axes(x)),
                dbeta=lambda dy, x_hat, x: dy.mean(axis=batch_axes(x)),
            ),
        ),
        Misconception(
            "Your dgamma multiplies dy by x. Gamma multiplies x_hat: `(dy * x_hat).sum(axis=axes)`.",
            _backward(dgamma=lambda dy, x_hat, x: (dy * x).sum(axis=batch_axes(x))),
        ),
        Misconception(
            "With sequences your code sums over axis 0 only. Sum over all axes but the last.",
            _backward(dgamma=lambda dy, x_hat, x: (dy * x_hat).sum(axis=0), dbeta=lambda dy, x_hat, x: dy.sum(axis=0)),
        ),
        Misconception(
            "Your code leaves epsilon out. The forward pass divides by `sqrt(var + epsilon)`, and the gradient too.",
            _backward(root=lambda x, epsilon: x.std(axis=-1, keepdims=True)),
        ),
        Misconception(EPSILON_OUTSIDE, _backward(root=lambda x, epsilon: x.std(axis=-1, keepdims=True) + epsilon)),
        Misconception("dgamma and dbeta have changed places: return `dx, dgamma, dbeta`.", _swapped),
        Misconception(IN_PLACE.format(names="`dy`", first="dy"), _in_place),
    )

    def probes(self, answer):
        outputs = ("dx", "dgamma", "dbeta")
        four = np.append(GAMMA, 0.8)
        return [
            Probe(
                "a batch of rows",
                {"dy": DY, "x": FAR_FROM_ZERO, "gamma": GAMMA},
                outputs=outputs,
                split=(("dx", 2), ("dgamma", 1), ("dbeta", 1)),
            ),
            Probe("as many rows as features", {"dy": DY[:3], "x": SQUARE, "gamma": GAMMA}, outputs=outputs, weight=0.5),
            Probe("sequences", {"dy": DY_SEQUENCES, "x": SEQUENCES, "gamma": four}, outputs=outputs),
            Probe("rows with little spread", {"dy": DY, "x": SMALL_ROWS, "gamma": GAMMA}, outputs=outputs),
            Probe(
                "another epsilon is used",
                {"dy": DY, "x": FAR_FROM_ZERO, "gamma": GAMMA},
                {"epsilon": 20.0},
                outputs,
                weight=0.5,
            ),
        ]

    def property_broken(self, name, received, expected):
        return f"The sum should be {numbers(expected.sum())}, yours is {numbers(received.sum())}."
