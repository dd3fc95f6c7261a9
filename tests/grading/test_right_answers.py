"""Right answers of every kind pass: other formulas, other types, other ways to build a model, random shapes."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.grading import check
from helpers.grading.course import QUESTIONS
from helpers.grading.question import Probe


def whiten(x, epsilon=1e-3):
    """One column after the other, in plain Python."""
    columns = []
    for column in np.asarray(x, dtype=float).T:
        mean = math.fsum(column) / len(column)
        variance = math.fsum((value - mean) ** 2 for value in column) / len(column)
        columns.append([(value - mean) / math.sqrt(variance + epsilon) for value in column])
    return np.array(columns).T.tolist()


def in_float32(x, epsilon=1e-3):
    x = np.asarray(x, dtype=np.float32)
    centred = x - x.mean(axis=0, dtype=np.float32)
    return centred / np.sqrt(np.mean(centred**2, axis=0, dtype=np.float32) + np.float32(epsilon))


def by_power(x, epsilon=1e-3):
    x = np.asarray(x)
    mean = np.mean(x, 0, keepdims=True)
    return (x - mean) * (np.mean((x - mean) ** 2, 0, keepdims=True) + epsilon) ** -0.5


def by_einsum(x, gamma, beta, epsilon=1e-3):
    flat = np.asarray(x, dtype=float).reshape(-1, np.shape(x)[-1])
    centred = flat - flat.sum(0) / len(flat)
    variance = np.einsum("nf,nf->f", centred, centred) / len(flat)
    return (centred * (gamma / np.sqrt(variance + epsilon)) + beta).reshape(np.shape(x))


def forward_float32(x, gamma, beta, epsilon=1e-3):
    axes = tuple(range(np.ndim(x) - 1))
    x = np.asarray(x, dtype=np.float32)
    centred = x - x.mean(axes)
    return (gamma * centred / np.sqrt((centred * centred).mean(axes) + epsilon) + beta).astype(np.float32)


def forward_moved(x, gamma, beta, epsilon=1e-3):
    x = np.moveaxis(np.asarray(x, dtype=float), -1, 0)
    rows = x.reshape(len(x), -1)
    scale = np.asarray(gamma) / np.sqrt(rows.var(1) + epsilon)
    rows = rows * scale[:, None] + (np.asarray(beta) - rows.mean(1) * scale)[:, None]
    return np.moveaxis(rows.reshape(x.shape), 0, -1)


def update_by_difference(moving_mean, moving_variance, x, momentum=0.99):
    return [
        moving_mean - (moving_mean - np.mean(x, 0)) * (1 - momentum),
        moving_variance - (moving_variance - np.var(x, 0)) * (1 - momentum),
    ]


def update_average(moving_mean, moving_variance, x, momentum=0.99):
    mix = [momentum, 1 - momentum]
    return tuple(
        np.average([old, new], axis=0, weights=mix)
        for old, new in ((moving_mean, np.mean(x, axis=0)), (moving_variance, np.var(x, axis=0)))
    )


def update_float32(moving_mean, moving_variance, x, momentum=0.99):
    new = QUESTIONS["update_moving"].reference(moving_mean, moving_variance, x, momentum)
    return tuple(one.astype(np.float32) for one in new)


class InPlaceOnOwnState:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.rate, self.epsilon = 1 - momentum, epsilon
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)

    def __call__(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = np.mean(x, axis=0), np.var(x, axis=0)
            self.moving_mean += self.rate * (mean - self.moving_mean)
            self.moving_variance += self.rate * (variance - self.moving_variance)
        scale = self.gamma / np.sqrt(variance + self.epsilon)
        return x * scale + (self.beta - mean * scale)


class WithLists:
    def __init__(self, features, momentum=0.99, epsilon=1e-3):
        self.m, self.epsilon = momentum, epsilon
        self.gamma, self.beta = [1.0] * features, [0.0] * features
        self.moving_mean, self.moving_variance = [0.0] * features, [1.0] * features

    def __call__(self, x, training=False):
        x = np.array(x, dtype=float)
        if not training:
            hat = (x - self.moving_mean) / np.sqrt(np.array(self.moving_variance) + self.epsilon)
        else:
            hat = (x - x.mean(0)) / np.sqrt(x.var(0) + self.epsilon)
            self.moving_mean = [self.m * a + (1 - self.m) * b for a, b in zip(self.moving_mean, x.mean(0), strict=True)]
            self.moving_variance = [
                self.m * a + (1 - self.m) * b for a, b in zip(self.moving_variance, x.var(0), strict=True)
            ]
        return (hat * self.gamma + self.beta).tolist()


class Float32Layer(InPlaceOnOwnState):
    def __call__(self, x, training=False):
        return super().__call__(np.asarray(x, dtype=np.float32), training=training).astype(np.float32)


def backward_steps(dy, x, gamma, epsilon=1e-3):
    """The textbook's chain of partial derivatives instead of the short formula."""
    shape = np.shape(x)
    dy, x = np.asarray(dy, float).reshape(-1, shape[-1]), np.asarray(x, float).reshape(-1, shape[-1])
    centred, variance = x - x.mean(0), x.var(0) + epsilon
    dhat = dy * gamma
    dvariance = (dhat * centred).sum(0) * -0.5 * variance**-1.5
    dmean = -dhat.sum(0) / np.sqrt(variance) + dvariance * -2 * centred.mean(0)
    dx = dhat / np.sqrt(variance) + dvariance * 2 * centred / len(x) + dmean / len(x)
    return dx.reshape(shape), (dy * centred / np.sqrt(variance)).sum(0), dy.sum(0)


def backward_sums(dy, x, gamma, epsilon=1e-3):
    dy, x = np.asarray(dy, float), np.asarray(x, float)
    axes, count = tuple(range(x.ndim - 1)), x[..., 0].size
    inverse = 1 / np.sqrt(x.var(axis=axes) + epsilon)
    hat = (x - x.mean(axis=axes)) * inverse
    dbeta, dgamma = np.sum(dy, axis=axes), np.sum(hat * dy, axis=axes)
    return [gamma * inverse / count * (count * dy - dbeta - hat * dgamma), dgamma, dbeta]


def backward_float32(dy, x, gamma, epsilon=1e-3):
    found = backward_sums(np.asarray(dy, np.float32), np.asarray(x, np.float32), gamma, epsilon)
    return tuple(np.asarray(one, dtype=np.float32) for one in found)


def fold_matrix(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    scale = np.diag(gamma * (moving_variance + epsilon) ** -0.5)
    return kernel @ scale, beta + (bias - moving_mean) @ scale


def fold_by_looking(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):
    """Ask the two layers what they do to 0 and to the unit vectors."""

    def both(x):
        return gamma * (x @ kernel + bias - moving_mean) / np.sqrt(moving_variance + epsilon) + beta

    shift = both(np.zeros(len(kernel)))
    return both(np.eye(len(kernel))) - shift, shift


def fold_float32(*arguments, **options):
    return [np.float32(one) for one in QUESTIONS["fold_batchnorm"].reference(*arguments, **options)]


def covered_by_recursion(momentum, fraction):
    covered, steps = 0.0, 0
    while covered < fraction:
        covered, steps = momentum * covered + (1 - momentum), steps + 1
    return steps


VARIANTS = {
    "normalize": [whiten, in_float32, by_power, lambda x, epsilon=1e-3: np.asarray(whiten(x, epsilon), np.float32),
                  lambda x, epsilon=1e-3: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)],
    "batchnorm_forward": [by_einsum, forward_float32, forward_moved],
    "update_moving": [update_by_difference, update_average, update_float32],
    "BatchNorm": [InPlaceOnOwnState, WithLists, Float32Layer],
    "batchnorm_backward": [backward_steps, backward_sums, backward_float32],
    "warm_up_steps": [
        lambda momentum, fraction: math.ceil(math.log(1 - fraction) / math.log(momentum)),
        lambda momentum, fraction: np.ceil(np.log1p(-fraction) / np.log(momentum)),
        covered_by_recursion,
        lambda momentum, fraction: int(np.argmax(1 - momentum ** np.arange(10_000) >= fraction)),
    ],
    "fold_batchnorm": [fold_matrix, fold_by_looking, fold_float32],
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer"),
    [(question, answer) for question, answers in VARIANTS.items() for answer in answers],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_right_answer_of_another_kind_passes(question, answer):
    result = check(question, answer)
    assert result.passed, str(result)
    assert result.score == QUESTIONS[question].points


def test_a_missing_list_conversion_costs_nothing_and_is_mentioned():
    result = check("normalize", lambda x, epsilon=1e-3: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon))
    assert result.passed
    assert "np.asarray(x)" in result.notes[0]
    assert check("normalize", whiten).notes == ()


# Random shapes ---------------------------------------------------------------------------------------------------

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
finite = st.floats(-50, 50, width=32)


@st.composite
def inputs(draw, least_rank=2, most_rank=4):
    """x of random shape, dtype and place; gamma and beta for its features."""
    shape = draw(arrays.array_shapes(min_dims=least_rank, max_dims=most_rank, min_side=1, max_side=5))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x = draw(arrays.arrays(dtype, shape, elements=finite)) + dtype(draw(st.sampled_from([0, 100, -20])))
    gamma, beta = (draw(arrays.arrays(np.float64, shape[-1:], elements=finite)) for _ in range(2))
    return x, gamma, beta, draw(st.sampled_from([1e-3, 0.1, 1.0]))


def check_on(question, answer, args, outputs, **options):
    """Check an answer on one more probe, as an instructor's overlay would add it."""
    exercise = type(QUESTIONS[question])()
    exercise.hidden.append(Probe("a random input", args, options, outputs, tolerance=5e-3))
    return exercise.check(answer)


@quick
@given(inputs(most_rank=2), st.sampled_from(VARIANTS["normalize"]))
def test_normalize_passes_on_any_input(given_, answer):
    x, _, _, epsilon = given_
    assert check_on("normalize", answer, {"x": x}, ("y",), epsilon=epsilon).passed


@quick
@given(inputs(), st.sampled_from(VARIANTS["batchnorm_forward"]))
def test_batchnorm_forward_passes_on_any_input(given_, answer):
    x, gamma, beta, epsilon = given_
    args = {"x": x, "gamma": gamma, "beta": beta}
    assert check_on("batchnorm_forward", answer, args, ("y",), epsilon=epsilon).passed


@quick
@given(inputs(), st.sampled_from([backward_steps, backward_sums]))
def test_batchnorm_backward_passes_on_any_input(given_, answer):
    x, gamma, _, epsilon = given_
    args = {"dy": np.cos(x), "x": x, "gamma": gamma}
    assert check_on("batchnorm_backward", answer, args, ("dx", "dgamma", "dbeta"), epsilon=epsilon).passed


@quick
@given(inputs(most_rank=2), st.sampled_from(VARIANTS["update_moving"]), st.floats(0, 0.999))
def test_update_moving_passes_on_any_input(given_, answer, momentum):
    x, mean, variance, _ = given_
    args = {"moving_mean": mean, "moving_variance": np.abs(variance), "x": x}
    assert check_on("update_moving", answer, args, ("mean", "variance"), momentum=momentum).passed


@quick
@given(st.integers(1, 4), inputs(most_rank=2), st.sampled_from(VARIANTS["fold_batchnorm"]))
def test_fold_batchnorm_passes_on_any_input(inputs_, given_, answer):
    x, gamma, beta, epsilon = given_
    kernel = np.resize(x.astype(float), (inputs_, len(gamma)))
    args = {
        "kernel": kernel, "bias": beta / 2, "gamma": gamma, "beta": beta, "moving_mean": gamma - beta,
        "moving_variance": np.abs(beta) + 0.1,
    }  # fmt: skip
    assert check_on("fold_batchnorm", answer, args, ("kernel", "bias"), epsilon=epsilon).passed


@quick
@given(st.floats(0.05, 0.995), st.floats(0.02, 0.98))
def test_warm_up_steps_passes_on_any_input(momentum, fraction):
    args = {"momentum": momentum, "fraction": fraction}
    assert check_on("warm_up_steps", covered_by_recursion, args, ("steps",)).passed
