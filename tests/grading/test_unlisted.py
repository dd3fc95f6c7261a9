"""Wrong answers that are on nobody's list, made up after the checker was done: each is rejected, with its evidence."""

import math

import numpy as np
import pytest

from helpers.grading import check
from helpers.grading.course import QUESTIONS


def std(x, epsilon, axes=0):
    return np.sqrt(x.var(axis=axes) + epsilon)


NORMALIZE = {
    "median": lambda x, epsilon=1e-3: (x - np.median(x, axis=0)) / std(x, epsilon),
    "absolute deviation": lambda x, epsilon=1e-3: (x - x.mean(0)) / (np.abs(x - x.mean(0)).mean(0) + epsilon),
    "first row as mean": lambda x, epsilon=1e-3: (x - x[0]) / std(x, epsilon),
    "wrong sign": lambda x, epsilon=1e-3: (x.mean(0) - x) / std(x, epsilon),
    "clipped": lambda x, epsilon=1e-3: np.clip((x - x.mean(0)) / std(x, epsilon), -1, 1),
    "sorted rows": lambda x, epsilon=1e-3: np.sort((x - x.mean(0)) / std(x, epsilon), axis=0),
    "cube root": lambda x, epsilon=1e-3: (x - x.mean(0)) / np.cbrt(x.var(0) + epsilon),
    "epsilon subtracted": lambda x, epsilon=1e-3: (x - x.mean(0)) / np.sqrt(np.abs(x.var(0) - epsilon)),
    "rounded": lambda x, epsilon=1e-3: np.round((x - x.mean(0)) / std(x, epsilon), 1),
    "epsilon in the numerator": lambda x, epsilon=1e-3: (x - x.mean(0) + epsilon) / std(x, 0 * epsilon + 1e-9),
    "mean of the first column": lambda x, epsilon=1e-3: (x - x[:, 0].mean()) / std(x, epsilon),
    "layernorm and ddof": lambda x, epsilon=1e-3: (x - x.mean(1, keepdims=True)) / x.std(1, ddof=1, keepdims=True),
}

FORWARD = {
    "absolute gamma": lambda x, g, b, epsilon=1e-3: reference_forward(x, np.abs(g), b, epsilon),
    "gamma added": lambda x, g, b, epsilon=1e-3: reference_forward(x, 1, g + b, epsilon),
    "twice": lambda x, g, b, epsilon=1e-3: reference_forward(reference_forward(x, g, b, epsilon), g, b, epsilon),
    "gamma divides": lambda x, g, b, epsilon=1e-3: reference_forward(x, 1 / g, b, epsilon),
    "relu": lambda x, g, b, epsilon=1e-3: np.maximum(reference_forward(x, g, b, epsilon), 0),
    "batch and height": lambda x, g, b, epsilon=1e-3: (
        g * (x - x.mean((0, 1) if x.ndim > 2 else 0)) / np.sqrt(x.var((0, 1) if x.ndim > 2 else 0) + epsilon) + b
    ),
    "each image": lambda x, g, b, epsilon=1e-3: g * (x - x.mean(tuple(range(1, x.ndim - 1)), keepdims=True)) / 1.0 + b,
    "gamma squared": lambda x, g, b, epsilon=1e-3: reference_forward(x, g * g, b, epsilon),
    "flattened": lambda x, g, b, epsilon=1e-3: reference_forward(x, g, b, epsilon).reshape(-1, x.shape[-1]),
    "float16": lambda x, g, b, epsilon=1e-3: reference_forward(x.astype(np.float16), g, b, epsilon),
}


def reference_forward(x, gamma, beta, epsilon=1e-3):
    return QUESTIONS["batchnorm_forward"].reference(x, gamma, beta, epsilon)


def reference_update(mean, variance, x, momentum):
    return QUESTIONS["update_moving"].reference(mean, variance, x, momentum)


UPDATE = {
    "median": lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * np.median(x, 0),
        momentum * v + (1 - momentum) * x.var(0),
    ),
    "largest minus smallest": lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * x.mean(0),
        momentum * v + (1 - momentum) * np.ptp(x, 0),
    ),
    "only the variance": lambda m, v, x, momentum=0.99: (m, momentum * v + (1 - momentum) * x.var(0)),
    "variance on the wrong side": lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * x.mean(0),
        (1 - momentum) * v + momentum * x.var(0),
    ),
    "no old value": lambda m, v, x, momentum=0.99: ((1 - momentum) * x.mean(0), (1 - momentum) * x.var(0)),
    "minus": lambda m, v, x, momentum=0.99: (
        momentum * m - (1 - momentum) * x.mean(0),
        momentum * v - (1 - momentum) * x.var(0),
    ),
    "momentum squared": lambda m, v, x, momentum=0.99: reference_update(m, v, x, momentum**2),
    "mean only returned": lambda m, v, x, momentum=0.99: reference_update(m, v, x, momentum)[0],
    "default 0.9": lambda m, v, x, momentum=0.9: reference_update(m, v, x, momentum),
    "sums": lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * x.sum(0),
        momentum * v + (1 - momentum) * x.var(0),
    ),
}

BACKWARD = {
    "zeros": lambda dy, x, g, epsilon=1e-3: (np.zeros_like(x), *parts(dy, x, g, epsilon)[1:]),
    "dy": lambda dy, x, g, epsilon=1e-3: (dy, *parts(dy, x, g, epsilon)[1:]),
    "wrong sign": lambda dy, x, g, epsilon=1e-3: tuple(-one for one in parts(dy, x, g, epsilon)),
    "y as x": lambda dy, x, g, epsilon=1e-3: parts(x, dy, g, epsilon),
    "gamma twice": lambda dy, x, g, epsilon=1e-3: (g * parts(dy, x, g, epsilon)[0], *parts(dy, x, g, epsilon)[1:]),
    "sum without mean": lambda dy, x, g, epsilon=1e-3: (
        g / std(x, epsilon, axes(x)) * (dy - hat(x, epsilon) * (dy * hat(x, epsilon)).sum(axes(x))),
        *parts(dy, x, g, epsilon)[1:],
    ),
    "one mean": lambda dy, x, g, epsilon=1e-3: (
        g / std(x, epsilon, axes(x)) * (dy - dy.mean() - hat(x, epsilon) * (dy * hat(x, epsilon)).mean()),
        *parts(dy, x, g, epsilon)[1:],
    ),
    "dgamma with beta": lambda dy, x, g, epsilon=1e-3: (
        parts(dy, x, g, epsilon)[0],
        (dy * (hat(x, epsilon) + 1)).sum(axes(x)),
        parts(dy, x, g, epsilon)[2],
    ),
    "n minus one": lambda dy, x, g, epsilon=1e-3: (
        g
        / std(x, epsilon, axes(x))
        * (dy - dy.mean(axes(x)) - hat(x, epsilon) * (dy * hat(x, epsilon)).sum(axes(x)) / (dy[..., 0].size - 1)),
        *parts(dy, x, g, epsilon)[1:],
    ),
    "two results": lambda dy, x, g, epsilon=1e-3: parts(dy, x, g, epsilon)[:2],
    "keepdims": lambda dy, x, g, epsilon=1e-3: (
        parts(dy, x, g, epsilon)[0],
        *(one[None] for one in parts(dy, x, g, epsilon)[1:]),
    ),
}


def axes(x):
    return tuple(range(x.ndim - 1))


def hat(x, epsilon):
    return (x - x.mean(axes(x))) / std(x, epsilon, axes(x))


def parts(dy, x, gamma, epsilon):
    return QUESTIONS["batchnorm_backward"].reference(dy, x, gamma, epsilon)


WARM_UP = {
    "zero": lambda momentum, fraction: 0,
    "base ten": lambda momentum, fraction: math.ceil(math.log10(1 - fraction)),
    "no minus": lambda momentum, fraction: math.ceil(math.log(1 + fraction) / math.log(momentum)),
    "product": lambda momentum, fraction: math.ceil(momentum * fraction * 100),
    "negative": lambda momentum, fraction: -math.ceil(math.log(1 - fraction) / math.log(momentum)),
    "half life": lambda momentum, fraction: math.ceil(math.log(0.5) / math.log(momentum)),
    "one too few": lambda momentum, fraction: math.ceil(math.log(1 - fraction) / math.log(momentum)) - 1,
    "percent": lambda momentum, fraction: math.ceil(math.log(1 - fraction / 100) / math.log(momentum)),
    "only for 0.99": lambda momentum, fraction: math.ceil(math.log(1 - fraction) / math.log(0.99)),
    "a text": lambda momentum, fraction: f"{math.ceil(math.log(1 - fraction) / math.log(momentum))}",
    "a list": lambda momentum, fraction: [math.ceil(math.log(1 - fraction) / math.log(momentum))],
}

FOLD = {
    "unchanged": lambda k, b, g, beta, m, v, epsilon=1e-3: (k, b),
    "divided by the scale": lambda k, b, g, beta, m, v, epsilon=1e-3: (
        k / (g / np.sqrt(v + epsilon)),
        (b - m) * g / np.sqrt(v + epsilon) + beta
    ),
    "beta first": lambda k, b, g, beta, m, v, epsilon=1e-3: folded(k, b, beta, g, m, v, epsilon),
    "moments swapped": lambda k, b, g, beta, m, v, epsilon=1e-3: folded(k, b, g, beta, v, np.abs(m), epsilon),
    "transposed": lambda k, b, g, beta, m, v, epsilon=1e-3: (
        folded(k, b, g, beta, m, v, epsilon)[0].T,
        folded(k, b, g, beta, m, v, epsilon)[1]
    ),
    "absolute": lambda k, b, g, beta, m, v, epsilon=1e-3: folded(k, b, np.abs(g), beta, m, v, epsilon),
    "training statistics": lambda k, b, g, beta, m, v, epsilon=1e-3: (
        folded(k, b, g, beta, k.mean(0), k.var(0), epsilon)
    ),
    "beta subtracted": lambda k, b, g, beta, m, v, epsilon=1e-3: folded(k, b, g, -beta, m, v, epsilon),
    "kernel shifted": lambda k, b, g, beta, m, v, epsilon=1e-3: (
        folded(k, b, g, beta, m, v, epsilon)[0] + beta,
        folded(k, b, g, beta, m, v, epsilon)[1]
    ),
    "one number": lambda k, b, g, beta, m, v, epsilon=1e-3: folded(k, b, g.mean(), beta, m, v.mean(), epsilon),
}  # fmt: skip


def folded(*arguments):
    return QUESTIONS["fold_batchnorm"].reference(*arguments)


RightLayer = QUESTIONS["BatchNorm"].reference


def layer(**methods):
    return type("BatchNorm", (RightLayer,), methods)


class TrainsFromTheSecondBatch(RightLayer):
    calls = 0

    def __call__(self, x, training=False):
        self.calls += 1
        return super().__call__(x, training=training and self.calls > 1)


class SwapsGammaAndBeta(RightLayer):
    def __call__(self, x, training=False):
        self.gamma, self.beta = self.beta, self.gamma
        return super().__call__(x, training=training)


class EpsilonTwice(RightLayer):
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        super().__init__(features, momentum, 2 * epsilon)


class KerasTwoMomentum(RightLayer):
    def __init__(self, features, momentum=0.9, epsilon=1e-3):
        super().__init__(features, momentum, epsilon)


class ScalarStatistics(RightLayer):
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        super().__init__(features, momentum, epsilon)
        self.moving_mean, self.moving_variance = 0.0, 1.0


class BetaOnlyInTraining(RightLayer):
    def __call__(self, x, training=False):
        return super().__call__(x, training=training) - (0 if training else self.beta)


class ForgetsAtInference(RightLayer):
    def __call__(self, x, training=False):
        y = super().__call__(x, training=training)
        if not training:
            self.moving_mean = self.moving_mean * 0
        return y


class CountsBatches(RightLayer):
    """A plain average of all batches so far instead of a moving one."""

    seen = 0

    def __call__(self, x, training=False):
        if training:
            self.seen += 1
            self.momentum = 1 - 1 / self.seen
        return super().__call__(x, training=training)


class MeanTwice(RightLayer):
    def __call__(self, x, training=False):
        y = super().__call__(x, training=training)
        if training:
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * x.mean(axis=0)
        return y


class ReturnsTheMean(RightLayer):
    def __call__(self, x, training=False):
        super().__call__(x, training=training)
        return self.moving_mean


LAYER = {
    cls.__name__: cls
    for cls in (
        TrainsFromTheSecondBatch, SwapsGammaAndBeta, EpsilonTwice, KerasTwoMomentum, ScalarStatistics,
        BetaOnlyInTraining, ForgetsAtInference, CountsBatches, MeanTwice, ReturnsTheMean,
    )
} | {"no training argument": layer(__call__=lambda self, x: x), "not callable": layer(__call__=None)}  # fmt: skip

UNLISTED = {
    "normalize": NORMALIZE, "batchnorm_forward": FORWARD, "update_moving": UPDATE, "BatchNorm": LAYER,
    "batchnorm_backward": BACKWARD, "warm_up_steps": WARM_UP, "fold_batchnorm": FOLD,
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "name"), [(question, name) for question, answers in UNLISTED.items() for name in answers]
)
def test_an_unlisted_wrong_answer_is_rejected_with_its_evidence(question, name):
    result = check(question, UNLISTED[question][name])
    assert not result.passed
    assert result.score < result.max_score
    assert any(word in result.feedback for word in ("should", "stopped with", "Expected"))
    assert any(word in result.feedback for word in ("received", "stopped with", "yours", "Your code"))
    assert len(result.feedback) < 900
    # Nothing is diagnosed that is not so: a sentence of the list is right only for its own numbers.
    assert not [one.sentence for one in QUESTIONS[question].misconceptions if one.sentence in str(result)]


def test_there_are_ten_for_each_exercise():
    assert all(len(answers) >= 10 for answers in UNLISTED.values())
