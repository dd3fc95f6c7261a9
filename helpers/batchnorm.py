"""Batch Normalization in NumPy: the reference the course checks everything else against.

In training each feature is centred and scaled with the mean and variance of the present batch; in inference with
moving averages of earlier batches' statistics. gamma and beta then give every feature a scale and a position of its
own. A feature is an entry of the last axis ("channels last"); all other axes count as examples, so that an image
batch of shape (batch, height, width, channels) has batch * height * width values for each channel.

Formulas: Ioffe & Szegedy 2015 (arXiv:1502.03167), Algorithm 1 and section 3; names and defaults are those of
`keras.layers.BatchNormalization`. float32 stays float32, float64 stays float64, and no argument is ever changed.
"""

import math
from typing import NamedTuple

import numpy as np

# Rows added up in the array's own precision before float64 takes over: one long float32 sum would lose digits.
BLOCK = 1024


class Cache(NamedTuple):
    """What the backward pass needs of the forward pass, and the statistics that the moving averages need."""

    normalized: np.ndarray  # x̂, (examples, features): every axis but the last in one
    scale: np.ndarray  # gamma / sqrt(variance + epsilon), (features,)
    inverse_std: np.ndarray  # 1 / sqrt(variance + epsilon), (features,)
    mean: np.ndarray  # of the batch, (features,), in x's units
    variance: np.ndarray  # of the batch, biased (1/N), (features,), in x's units squared
    shape: tuple  # of x


def batch_statistics(x):
    """Mean and biased variance of each feature over all other axes (Ioffe & Szegedy 2015, Algorithm 1).

    x: (..., features), rank 2 or more, float32 or float64. Returns two arrays of shape (features,), in x's units and
    units squared. Raises ValueError where a feature has no values to average, TypeError where x is not floating point.
    """
    rows = _rows(x)
    _, mean, variance = _centre(rows)
    return mean.astype(rows.dtype), variance.astype(rows.dtype)


def forward(x, gamma, beta, epsilon=1e-3):
    """Training: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with the statistics of this very batch.

    x: (..., features); gamma, beta: (features,). Returns y, of x's shape and dtype, and a `Cache` for `backward`.
    Raises ValueError for shapes that do not fit or epsilon <= 0, TypeError where anything is not floating point.
    """
    rows = _rows(x)
    gamma, beta = _vector("gamma", gamma, rows), _vector("beta", beta, rows)
    _check_epsilon(epsilon)
    normalized, mean, variance = _centre(rows)
    inverse_std = 1 / np.sqrt(variance + epsilon)
    normalized *= inverse_std.astype(rows.dtype)
    y = normalized * gamma
    y += beta
    vectors = [vector.astype(rows.dtype) for vector in (gamma * inverse_std, inverse_std, mean, variance)]
    return y.reshape(np.shape(x)), Cache(normalized, *vectors, np.shape(x))


def backward(dy, cache):
    """Gradients of a loss with respect to x, gamma and beta, given dy, its gradient with respect to y.

    With N examples per feature (section 3 of the paper, its six equations collected into three):
        dbeta  = sum(dy)
        dgamma = sum(dy * x̂)
        dx     = gamma / sqrt(variance + epsilon) * (dy - dbeta / N - x̂ * dgamma / N)
    The two subtracted terms are there because mean and variance depend on every example of the batch.

    dy: of x's shape. cache: from `forward`. Returns dx, of x's shape, and dgamma, dbeta, (features,).
    Raises ValueError where dy has another shape than x, TypeError where it is not floating point.
    """
    dy = _floats("dy", dy)
    if dy.shape != cache.shape:
        raise ValueError(f"dy must have the shape of x, {cache.shape}; received {dy.shape}.")
    dy = dy.reshape(cache.normalized.shape).astype(cache.normalized.dtype, copy=False)
    dgamma = _column_sums(dy, cache.normalized).astype(dy.dtype)
    dbeta = _column_sums(dy).astype(dy.dtype)

    # One array, changed step by step: a new one for every term would cost more than the arithmetic.
    dx = cache.normalized * (dgamma / -len(dy))
    dx += dy
    dx -= dbeta / len(dy)
    dx *= cache.scale
    return dx.reshape(cache.shape), dgamma, dbeta


def inference(x, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    """Inference: y = gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta, a fixed affine map.

    x: (..., features); the four vectors: (features,). Returns y, of x's shape and dtype.
    Raises ValueError for shapes that do not fit or epsilon <= 0, TypeError where anything is not floating point.
    """
    rows = _rows(x)
    gamma, beta = _vector("gamma", gamma, rows), _vector("beta", beta, rows)
    mean = _vector("moving_mean", moving_mean, rows)
    variance = _vector("moving_variance", moving_variance, rows)
    _check_epsilon(epsilon)
    y = rows - mean
    y *= gamma / np.sqrt(variance + rows.dtype.type(epsilon))
    y += beta
    return y.reshape(np.shape(x))


def update_moving(moving_mean, moving_variance, mean, variance, momentum=0.99):
    """New moving averages: momentum * old + (1 - momentum) * batch. Keras' momentum weighs the old value.

    All four: (features,). Returns the new mean and the new variance; the arguments stay as they were.
    Raises ValueError where momentum is outside [0, 1) or shapes differ, TypeError where anything is not floating point.
    """
    _check_momentum(momentum)
    updated = []
    for name, old, new in (("mean", moving_mean, mean), ("variance", moving_variance, variance)):
        old, new = _floats(f"moving_{name}", old), _floats(name, new)
        if old.shape != new.shape or old.ndim != 1:
            raise ValueError(f"moving_{name} and {name} must both be (features,); received {old.shape}, {new.shape}.")
        updated.append(momentum * old + (1 - momentum) * new)
    return tuple(updated)


class BatchNorm:
    """A layer with gamma and beta, which an optimizer trains, and moving_mean and moving_variance, which it tracks.

    `layer(x, training=True)` normalises with the batch's statistics and updates the moving ones; `layer(x)` uses the
    moving ones and changes nothing; `layer.backward(dy)` gives dx, dgamma, dbeta of the last training call.
    The four vectors, (features,), are float64 arrays; gamma and moving_variance start at 1, beta and moving_mean at 0.
    Raises ValueError for features < 1, momentum outside [0, 1), epsilon <= 0, or x with another number of features.
    """

    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        if features < 1:
            raise ValueError(f"features must be 1 or more; received {features}.")
        _check_momentum(momentum)
        _check_epsilon(epsilon)
        self.momentum, self.epsilon = momentum, epsilon
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)
        self.cache = None

    def __call__(self, x, training=False):
        if not training:
            return inference(x, self.gamma, self.beta, self.moving_mean, self.moving_variance, self.epsilon)
        y, self.cache = forward(x, self.gamma, self.beta, self.epsilon)
        self.moving_mean, self.moving_variance = update_moving(
            self.moving_mean, self.moving_variance, self.cache.mean, self.cache.variance, self.momentum
        )
        return y

    def backward(self, dy):
        """dx, dgamma, dbeta for the last call with training=True. Raises RuntimeError where there was none."""
        if self.cache is None:
            raise RuntimeError("backward needs a forward pass first: call layer(x, training=True).")
        return backward(dy, self.cache)


def _centre(rows):
    """rows minus the mean of each column, with mean and variance in float64. Two passes: first mean, then variance.

    E[x²] - E[x]² would need one pass, and at mean 10 000 in float32 gives 16 where the variance is 1.
    """
    mean = _column_sums(rows) / len(rows)
    centred = rows - mean.astype(rows.dtype)
    # Near 10 000 the next float32 is 0.001 away, so the mean was rounded: remove what that left behind.
    left = _column_sums(centred) / len(rows)
    centred -= left.astype(rows.dtype)
    return centred, mean.astype(rows.dtype) + left, _column_sums(centred, centred) / len(rows)


def _column_sums(*factors):
    """The sum over all rows of the product of the factors, (features,), in float64 and without storing the product."""
    total = np.zeros(factors[0].shape[1])
    for start in range(0, len(factors[0]), BLOCK):
        blocks = (factor[start : start + BLOCK] for factor in factors)
        total += np.einsum(",".join(["nc"] * len(factors)) + "->c", *blocks)
    return total


def _rows(x):
    x = _floats("x", x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x must have shape (batch, ..., features) with no axis of length 0; received {x.shape}.")
    return x.reshape(-1, x.shape[-1])


def _vector(name, value, rows):
    value = _floats(name, value)
    if value.shape != (rows.shape[1],):
        raise ValueError(f"{name} must have shape ({rows.shape[1]},), one entry per feature; received {value.shape}.")
    return value.astype(rows.dtype, copy=False)


def _floats(name, value):
    value = np.asarray(value)
    if value.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64; received {value.dtype}.")
    return value


def _check_epsilon(epsilon):
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be greater than 0, or a constant feature gives 0/0; received {epsilon!r}.")


def _check_momentum(momentum):
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and less than 1; received {momentum!r}.")
