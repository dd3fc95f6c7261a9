"""The NumPy reference: does it agree with Keras, with TensorFlow's gradients, with finite differences?"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import batchnorm

SHAPES = [(7, 5), (1, 5), (7, 1), (1, 1), (6, 3, 4), (3, 4, 5, 2), (2, 3, 1, 2, 3)]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def make(shape, dtype="float64", seed=3, mean=1.7, spread=2.3):
    """x, gamma (one entry negative), beta and dy with no zeros or ones behind which a mistake could hide."""
    rng = np.random.default_rng(seed)
    features = shape[-1]
    x = mean + spread * rng.normal(size=shape) * rng.uniform(0.5, 2, features)
    gamma = rng.uniform(0.4, 1.9, features) * np.where(np.arange(features) % 3 == 1, -1, 1)
    beta, dy = rng.normal(size=features), rng.normal(size=shape)
    return tuple(array.astype(dtype) for array in (x, gamma, beta, dy))


def keras_layer(gamma, beta, shape, dtype, **options):
    layer = keras.layers.BatchNormalization(dtype=dtype, **options)
    layer.build(shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return layer


def plain_formula(x, gamma, beta, epsilon=1e-3):
    """The textbook line in float64: slow, and with nothing in it that could be clever."""
    x = np.asarray(x, "float64")
    axes = tuple(range(x.ndim - 1))
    return gamma * (x - x.mean(axes)) / np.sqrt(x.var(axes) + epsilon) + beta


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward_are_those_of_keras(shape, dtype, epsilon):
    x, gamma, beta, dy = make(shape, dtype)
    layer = keras_layer(gamma, beta, shape, dtype, epsilon=epsilon)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        expected_y = layer(variable, training=True)
    expected = tape.gradient(
        expected_y, [variable, layer.gamma.value, layer.beta.value], output_gradients=tf.constant(dy)
    )

    y, cache = batchnorm.forward(x, gamma, beta, epsilon)
    received = batchnorm.backward(dy, cache)

    assert (y.dtype, y.shape) == (dtype, shape)
    # Keras computes x * scale + (beta - mean * scale), differences of large numbers where the variance is tiny.
    atol = TOLERANCE[dtype] * (1 + np.abs(cache.scale).max())
    np.testing.assert_allclose(y, expected_y, rtol=TOLERANCE[dtype], atol=atol)
    for name, ours, theirs in zip(("dx", "dgamma", "dbeta"), received, expected, strict=True):
        assert ours.dtype == dtype, name
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype], atol=atol, err_msg=name)


@pytest.mark.parametrize("momentum", [0.99, 0.9, 0.37, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5, 2)])
def test_moving_statistics_and_inference_are_those_of_keras(shape, dtype, momentum):
    x, gamma, beta, _ = make(shape, dtype)
    theirs = keras_layer(gamma, beta, shape, dtype, momentum=momentum)
    ours = batchnorm.BatchNorm(shape[-1], momentum=momentum)
    ours.gamma, ours.beta = gamma, beta
    for batch in (x, 3 * x + 11, x * x):
        theirs(batch, training=True)
        ours(batch, training=True)
    tolerance = max(TOLERANCE[dtype] / 10, 1e-12)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours(x), theirs(x, training=False), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(9, 4), (3, 4, 5, 2)])
def test_gradients_are_those_of_finite_differences(shape):
    x, gamma, beta, weights = make(shape)

    def loss(x, gamma, beta):
        y, _ = batchnorm.forward(x, gamma, beta)
        return np.sum(weights * y + y * y)

    y, cache = batchnorm.forward(x, gamma, beta)
    gradients = batchnorm.backward(weights + 2 * y, cache)
    for position, analytic in enumerate(gradients):
        arguments = [x, gamma, beta]
        numeric = np.empty_like(analytic)
        for index in np.ndindex(analytic.shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = [a.copy() for a in arguments]
                moved[position][index] += step
                sides.append(loss(*moved))
            numeric[index] = (sides[0] - sides[1]) / 2e-5
        assert np.abs(numeric - analytic).max() < 1e-7 * np.abs(analytic).max()


def test_sum_of_outputs_has_no_gradient_but_a_weighted_sum_has():
    x, gamma, beta, weights = make((9, 4))
    _, cache = batchnorm.forward(x, gamma, beta)
    assert np.abs(batchnorm.backward(np.ones_like(x), cache)[0]).max() < 1e-12
    assert np.abs(batchnorm.backward(weights, cache)[0]).max() > 0.1


@pytest.mark.parametrize("shape", [(64, 3), (4096, 3), (8, 32, 32, 3)])
def test_float32_keeps_its_digits_far_from_zero(shape):
    x, gamma, beta, _ = make(shape, "float32", mean=1e4, spread=1.0)
    mean, variance = batchnorm.batch_statistics(x)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(mean, x.mean(axes, dtype="float64"), rtol=1e-7)
    np.testing.assert_allclose(variance, x.astype("float64").var(axes), rtol=1e-5)
    np.testing.assert_allclose(batchnorm.forward(x, gamma, beta)[0], plain_formula(x, gamma, beta), atol=2e-6)

    # The one-pass variance, which the reference must not use, is wrong by more than the variance itself.
    one_pass = np.mean(x * x, axis=axes) - np.mean(x, axis=axes) ** 2
    assert np.abs(one_pass - x.astype("float64").var(axes)).max() > 1


def test_constant_columns_and_single_examples_give_beta():
    _, gamma, beta, dy = make((6, 3))
    constant = np.tile(np.array([0.1, -7.3, 1e4]), (6, 1))
    for dtype in ("float32", "float64"):
        x = constant.astype(dtype)
        np.testing.assert_array_equal(batchnorm.forward(x, gamma, beta)[0], np.tile(beta.astype(dtype), (6, 1)))
        np.testing.assert_array_equal(batchnorm.forward(x[:1], gamma, beta)[0], beta.astype(dtype)[None])
    single_dx, single_dgamma, _ = batchnorm.backward(dy[:1], batchnorm.forward(constant[:1], gamma, beta)[1])
    np.testing.assert_array_equal(single_dx, 0)
    np.testing.assert_array_equal(single_dgamma, 0)


def test_gamma_sigma_and_beta_mu_give_the_input_back():
    x, *_ = make((9, 4))
    mean, variance = batchnorm.batch_statistics(x)
    restored, _ = batchnorm.forward(x, np.sqrt(variance + 1e-3), mean)
    np.testing.assert_allclose(restored, x, atol=1e-12)
    assert np.abs(batchnorm.forward(x, np.ones(4), np.zeros(4))[0] - x).max() > 0.5


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        "float64",
        st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5)),
        elements=st.floats(-1e3, 1e3),
    )
)
def test_any_input_gives_what_the_plain_formula_gives(x):
    features = x.shape[-1]
    gamma, beta = np.linspace(-1.3, 2.1, features), np.linspace(0.7, -3.1, features)
    y, cache = batchnorm.forward(x, gamma, beta)
    np.testing.assert_allclose(y, plain_formula(x, gamma, beta), rtol=1e-9, atol=1e-9)
    dx, _, dbeta = batchnorm.backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx, 0, atol=1e-9)
    np.testing.assert_allclose(dbeta, x.size / features)


def test_it_is_not_one_of_its_look_alikes():
    x, gamma, beta, _ = make((6, 6))
    y, _ = batchnorm.forward(x, gamma, beta)
    layer = batchnorm.BatchNorm(6)
    layer.gamma, layer.beta = gamma, beta
    mean, std = x.mean(0), np.sqrt(x.var(0) + 1e-3)
    per_example = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
    look_alikes = {
        "inference": layer(x),
        "averages over the features": gamma * per_example + beta,
        "one mean for the whole array": gamma * (x - x.mean()) / np.sqrt(x.var() + 1e-3) + beta,
        "sample variance": gamma * (x - mean) / np.sqrt(x.var(0, ddof=1) + 1e-3) + beta,
        "divides by the variance": gamma * (x - mean) / std**2 + beta,
        "epsilon outside the root": gamma * (x - mean) / (x.std(0) + 1e-3) + beta,
        "gamma and beta swapped": beta * (x - mean) / std + gamma,
        "no gamma and beta": (x - mean) / std,
    }
    for name, wrong in look_alikes.items():
        assert np.abs(y - wrong).max() > 1e-5, name

    images, gamma, beta, _ = make((3, 4, 5, 2))
    axis_0_only = gamma * (images - images.mean(0)) / np.sqrt(images.var(0) + 1e-3) + beta
    assert np.abs(batchnorm.forward(images, gamma, beta)[0] - axis_0_only).max() > 0.1


def test_no_argument_is_changed_and_views_are_welcome():
    x, gamma, beta, dy = make((3, 4, 5, 2))
    moving = [np.zeros(2), np.ones(2)]
    arguments = [x, gamma, beta, dy, *moving]
    before = [argument.copy() for argument in arguments]
    _, cache = batchnorm.forward(x, gamma, beta)
    batchnorm.backward(dy, cache)
    batchnorm.backward(dy, cache)
    batchnorm.inference(x, gamma, beta, *moving)
    batchnorm.update_moving(*moving, cache.mean, cache.variance)
    for argument, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(argument, copy)

    turned = np.ascontiguousarray(x.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    np.testing.assert_allclose(batchnorm.forward(turned, gamma, beta)[0], batchnorm.forward(x, gamma, beta)[0])
    np.testing.assert_array_equal(batchnorm.batch_statistics(x.tolist()), batchnorm.batch_statistics(x))


def test_layer_learns_its_statistics_in_training_only():
    x, *_, dy = make((8, 3))
    layer = batchnorm.BatchNorm(3, momentum=0.9)
    layer(x)
    np.testing.assert_array_equal(layer.moving_mean, 0)
    np.testing.assert_array_equal(layer.moving_variance, 1)
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(dy)
    y = layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean(0))
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var(0))
    assert np.abs(y - layer(x)).max() > 0.5
    np.testing.assert_allclose(layer.backward(dy)[2], dy.sum(0))


def test_moving_average_covers_one_minus_momentum_to_the_k():
    mean, variance = np.zeros(1), np.ones(1)
    for _ in range(32):
        mean, variance = batchnorm.update_moving(mean, variance, np.array([5.0]), np.array([3.0]))
    np.testing.assert_allclose(mean, 5 * (1 - 0.99**32))
    np.testing.assert_allclose(variance, 1 + 2 * (1 - 0.99**32))


X, GAMMA, BETA = np.ones((4, 3)), np.ones(3), np.zeros(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: batchnorm.forward(np.ones(3), GAMMA, BETA), ValueError, r"x must have shape .*received \(3,\)"),
        (lambda: batchnorm.forward(np.ones((0, 3)), GAMMA, BETA), ValueError, r"received \(0, 3\)"),
        (lambda: batchnorm.batch_statistics(np.ones((4, 0, 3))), ValueError, r"received \(4, 0, 3\)"),
        (lambda: batchnorm.forward(X.astype(int), GAMMA, BETA), TypeError, "x must be float32 .*received int64"),
        (lambda: batchnorm.forward(X.astype("float16"), GAMMA, BETA), TypeError, "received float16"),
        (lambda: batchnorm.forward(X, np.ones(3, int), BETA), TypeError, "gamma must be float32.*received int64"),
        (lambda: batchnorm.forward(X, GAMMA, np.zeros(4)), ValueError, r"beta must have shape \(3,\).*received \(4,\)"),
        (lambda: batchnorm.forward(X, np.ones((1, 3)), BETA), ValueError, r"gamma .*received \(1, 3\)"),
        (lambda: batchnorm.forward(X, GAMMA, BETA, epsilon=0), ValueError, "greater than 0.*received 0"),
        (lambda: batchnorm.forward(X, GAMMA, BETA, epsilon=float("nan")), ValueError, "received nan"),
        (lambda: batchnorm.inference(X, GAMMA, BETA, BETA, np.ones(2)), ValueError, r"moving_variance .*\(2,\)"),
        (lambda: batchnorm.backward(X[:2], batchnorm.forward(X, GAMMA, BETA)[1]), ValueError, r"received \(2, 3\)"),
        (lambda: batchnorm.update_moving(BETA, GAMMA, BETA, GAMMA, momentum=1), ValueError, "less than 1; received 1"),
        (lambda: batchnorm.update_moving(BETA, GAMMA, np.ones(2), GAMMA), ValueError, r"received \(3,\), \(2,\)"),
        (lambda: batchnorm.BatchNorm(3, momentum=-0.1), ValueError, "received -0.1"),
        (lambda: batchnorm.BatchNorm(3, epsilon=-1e-3), ValueError, "received -0.001"),
        (lambda: batchnorm.BatchNorm(0), ValueError, "features must be 1 or more; received 0"),
        (lambda: batchnorm.BatchNorm(4)(X, training=True), ValueError, r"gamma .*\(3,\).*received \(4,\)"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
