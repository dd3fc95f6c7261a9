"""The exercises beyond the lesson: right answers of other kinds pass, wrong ones that nobody listed do not."""

import numpy as np
import pytest

from helpers import environment
from helpers.grading import check
from helpers.grading.course import QUESTIONS

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

# Right answers ---------------------------------------------------------------------------------------------------


def statistics_by_loop(x):
    columns = [np.asarray(x, dtype=float)[..., channel].ravel() for channel in range(np.shape(x)[-1])]
    means = [sum(column) / len(column) for column in columns]
    return means, [sum((column - mean) ** 2) / len(column) for column, mean in zip(columns, means, strict=True)]


def statistics_by_keras(x):
    layer = keras.layers.BatchNormalization(momentum=0.0)
    layer(tf.constant(x, tf.float32), training=True)
    return layer.moving_mean, layer.moving_variance


def statistics_flat(x):
    rows = np.reshape(x, (-1, np.shape(x)[-1]))
    return rows.mean(0), np.square(rows - rows.mean(0)).mean(0)


def statistics_of_parts(x):
    """The law of total variance."""
    means = x.mean((1, 2))
    return means.mean(0), x.var((1, 2)).mean(0) + means.var(0)


def layer_norm_by_keras(x, gamma, beta, epsilon=1e-3):
    layer = keras.layers.LayerNormalization(epsilon=epsilon)
    layer.build(np.shape(x))
    layer.set_weights([gamma, beta])
    return layer(tf.constant(x, tf.float32))


def layer_norm_by_scale(x, gamma, beta, epsilon=1e-3):
    x = np.asarray(x, dtype=float)
    scale = gamma / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return x * scale + (beta - x.mean(-1, keepdims=True) * scale)


def layer_norm_in_float32(x, gamma, beta, epsilon=1e-3):
    x = np.asarray(x, dtype=np.float32)
    centred = x - x.mean(-1, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) + beta


def layer_norm_by_row(x, gamma, beta, epsilon=1e-3):
    return gamma * np.apply_along_axis(lambda row: (row - row.mean()) / np.sqrt(row.var() + epsilon), -1, x) + beta


def group_norm_by_keras(x, gamma, beta, groups, epsilon=1e-3):
    layer = keras.layers.GroupNormalization(groups, epsilon=epsilon)
    layer.build(np.shape(x))
    layer.set_weights([gamma, beta])
    return layer(tf.constant(x, tf.float32))


def group_norm_by_slices(x, gamma, beta, groups, epsilon=1e-3):
    y, size = np.empty(np.shape(x)), np.shape(x)[-1] // groups
    for start in range(0, np.shape(x)[-1], size):
        part = np.asarray(x, dtype=float)[..., start : start + size]
        mean, variance = part.mean((1, 2, 3), keepdims=True), part.var((1, 2, 3), keepdims=True)
        y[..., start : start + size] = (part - mean) / np.sqrt(variance + epsilon)
    return gamma * y + beta


def group_norm_by_split(x, gamma, beta, groups, epsilon=1e-3):
    parts = np.split(np.asarray(x, dtype=float), groups, axis=-1)
    hats = [(one - one.mean((1, 2, 3), keepdims=True)) / np.sqrt(one.var((1, 2, 3), keepdims=True) + epsilon)
            for one in parts]  # fmt: skip
    return np.concatenate(hats, axis=-1) * gamma + beta


def group_norm_moved(x, gamma, beta, groups, epsilon=1e-3):
    channels_first = np.moveaxis(np.asarray(x, dtype=float), -1, 1)
    rows = channels_first.reshape(len(x), groups, -1)
    hat = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + epsilon)
    return gamma * np.moveaxis(hat.reshape(channels_first.shape), 1, -1) + beta


def backward_by_tape(dy, x, gamma, epsilon=1e-3):
    x, factor, shift = (tf.Variable(value, dtype=tf.float64) for value in (x, gamma, np.zeros(len(gamma))))
    with tf.GradientTape() as tape:
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        y = factor * (x - mean) / tf.sqrt(variance + epsilon) + shift
        loss = tf.reduce_sum(tf.constant(dy, tf.float64) * y)
    return tape.gradient(loss, [x, factor, shift])


def backward_in_three_paths(dy, x, gamma, epsilon=1e-3):
    size, root = x.shape[-1], np.sqrt(x.var(-1, keepdims=True) + epsilon)
    centred, arriving = x - x.mean(-1, keepdims=True), dy * gamma
    through_variance = (arriving * centred).sum(-1, keepdims=True) * -0.5 / root**3
    through_mean = -(arriving / root).sum(-1, keepdims=True)
    dx = arriving / root + through_variance * 2 * centred / size + through_mean / size
    flat = (-1, size)
    return dx, (dy * centred / root).reshape(flat).sum(0), dy.reshape(flat).sum(0)


def backward_times_size(dy, x, gamma, epsilon=1e-3):
    size, root = x.shape[-1], np.sqrt(x.var(-1, keepdims=True) + epsilon)
    hat, arriving = (x - x.mean(-1, keepdims=True)) / root, gamma * dy
    total, along = arriving.sum(-1, keepdims=True), (arriving * hat).sum(-1, keepdims=True)
    axes = tuple(range(x.ndim - 1))
    return (size * arriving - total - hat * along) / (size * root), (dy * hat).sum(axes), dy.sum(axes)


def backward_in_float32(dy, x, gamma, epsilon=1e-3):
    return [np.float32(one) for one in QUESTIONS["layer_norm_backward"].reference(dy, x, gamma, epsilon)]


def head_of(new, x, y, rate=0.1, epochs=40):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    new.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    new.fit(x, y, epochs=epochs, verbose=0)
    return new


def frozen_up_to(model, index):
    body = keras.Model(model.inputs, model.layers[index].output)
    body.trainable = False
    return body


def transfer_functional(model, x, y):
    for layer in model.layers:
        layer.trainable = False
    return head_of(keras.Model(model.inputs, keras.layers.Dense(3)(model.layers[-2].output)), x, y)


def transfer_layers_in_sequence(model, x, y):
    new = keras.Sequential([keras.Input(x.shape[1:]), *model.layers[:-1], keras.layers.Dense(3)])
    for layer in new.layers[:-1]:
        layer.trainable = False
    return head_of(new, x, y)


def transfer_softmax(model, x, y):
    head = keras.layers.Dense(3, activation="softmax")
    new = keras.Sequential([keras.Input(x.shape[1:]), frozen_up_to(model, -2), head])
    new.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    new.fit(x, y, epochs=40, verbose=0)
    return new


def transfer_copy(model, x, y):
    body = keras.models.clone_model(keras.Model(model.inputs, model.layers[-2].output))
    for new, old in zip(body.layers[1:], model.layers[:-1], strict=True):
        new.set_weights(old.get_weights())
    body.trainable = False
    return head_of(keras.Sequential([keras.Input(x.shape[1:]), body, keras.layers.Dense(3)]), x, y)


RIGHT = {
    "spatial_statistics": [statistics_by_loop, statistics_by_keras, statistics_flat, statistics_of_parts],
    "layer_norm": [layer_norm_by_keras, layer_norm_by_scale, layer_norm_in_float32, layer_norm_by_row],
    "group_norm": [group_norm_by_keras, group_norm_by_slices, group_norm_by_split, group_norm_moved],
    "layer_norm_backward": [backward_by_tape, backward_in_three_paths, backward_times_size, backward_in_float32],
    "transfer": [transfer_functional, transfer_layers_in_sequence, transfer_softmax, transfer_copy],
}  # fmt: skip


@pytest.mark.parametrize(("question", "answer"), [(name, one) for name, answers in RIGHT.items() for one in answers])
def test_a_right_answer_of_another_kind_passes(question, answer):
    result = check(question, answer)
    assert (result.passed, result.score) == (True, QUESTIONS[question].points), str(result)


# Wrong answers that are on nobody's list -------------------------------------------------------------------------


def hat(x, axes, epsilon=1e-3):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def reference(name, *args, **options):
    return QUESTIONS[name].reference(*args, **options)


WRONG = {
    "spatial_statistics": {
        "median": lambda x: (np.median(x, (0, 1, 2)), x.var((0, 1, 2))),
        "absolute deviation": lambda x: (x.mean((0, 1, 2)), np.abs(x - x.mean((0, 1, 2))).mean((0, 1, 2))),
        "range": lambda x: (x.mean((0, 1, 2)), np.ptp(x, axis=(0, 1, 2))),
        "batch and height": lambda x: (x.mean((0, 1)), x.var((0, 1))),
        "batch and width": lambda x: (x.mean((0, 2)), x.var((0, 2))),
        "first image": lambda x: (x[0].mean((0, 1)), x[0].var((0, 1))),
        "epsilon added": lambda x: (x.mean((0, 1, 2)), x.var((0, 1, 2)) + 0.1),
        "one result": lambda x: x.mean((0, 1, 2)),
        "summed": lambda x: (x.sum((0, 1, 2)), x.var((0, 1, 2))),
        "square of the mean": lambda x: (x.mean((0, 1, 2)), x.mean((0, 1, 2)) ** 2),
        "kept axes": lambda x: (x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)),
    },
    "layer_norm": {
        "median": lambda x, g, b, epsilon=1e-3: g * (x - np.median(x, -1, keepdims=True)) + b,
        "clipped": lambda x, g, b, epsilon=1e-3: g * np.clip(hat(x, -1, epsilon), -1, 1) + b,
        "twice": lambda x, g, b, epsilon=1e-3: reference("layer_norm", reference("layer_norm", x, g, b, epsilon), g, b),
        "absolute gamma": lambda x, g, b, epsilon=1e-3: np.abs(g) * hat(x, -1, epsilon) + b,
        "gamma divides": lambda x, g, b, epsilon=1e-3: hat(x, -1, epsilon) / g + b,
        "sign": lambda x, g, b, epsilon=1e-3: b - g * hat(x, -1, epsilon),
        "beta subtracted": lambda x, g, b, epsilon=1e-3: g * hat(x, -1, epsilon) - b,
        "softmax": lambda x, g, b, epsilon=1e-3: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1, keepdims=True),
        "range": lambda x, g, b, epsilon=1e-3: g * (x - x.min(-1, keepdims=True)) / np.ptp(x, -1, keepdims=True) + b,
        "float16": lambda x, g, b, epsilon=1e-3: g * hat(np.float16(x), -1, epsilon) + b,
        "epsilon subtracted": lambda x, g, b, epsilon=1e-3: g * hat(x, -1, -epsilon / 2) + b,
        "epsilon of its own": lambda x, g, b, epsilon=1e-3: reference("layer_norm", x, g, b),
        "one row is left alone": lambda x, g, b, epsilon=1e-3: (
            reference("layer_norm", x, g, b, epsilon) if len(x) > 1 else x),
    },
    "group_norm": {
        "no groups": lambda x, g, b, groups, epsilon=1e-3: g * hat(x, -1, epsilon) + b,
        "height only": lambda x, g, b, groups, epsilon=1e-3: g * hat(x, 1, epsilon) + b,
        "width only": lambda x, g, b, groups, epsilon=1e-3: g * hat(x, 2, epsilon) + b,
        "whole array": lambda x, g, b, groups, epsilon=1e-3: g * hat(x, None, epsilon) + b,
        "always two groups": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x, g, b, 2, epsilon),
        "sign": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x, -g, b, groups, epsilon),
        "reversed": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x[..., ::-1], g, b, groups, epsilon),
        "twice": lambda x, g, b, groups, epsilon=1e-3: reference(
            "group_norm", reference("group_norm", x, g, b, groups, epsilon), g, b, groups, epsilon),
        "beta subtracted": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x, g, -b, groups, epsilon),
        "as it was": lambda x, g, b, groups, epsilon=1e-3: x,
        "epsilon of its own": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x, g, b, groups),
        "flat": lambda x, g, b, groups, epsilon=1e-3: reference("group_norm", x, g, b, groups, epsilon).ravel(),
    },
    "layer_norm_backward": {
        "only dy": lambda dy, x, g, epsilon=1e-3: (dy, *reference("layer_norm_backward", dy, x, g, epsilon)[1:]),
        "sign": lambda dy, x, g, epsilon=1e-3: [-one for one in reference("layer_norm_backward", dy, x, g, epsilon)],
        "gamma squared": lambda dy, x, g, epsilon=1e-3: reference("layer_norm_backward", dy, x, g * g, epsilon),
        "half": lambda dy, x, g, epsilon=1e-3: [one / 2 for one in reference("layer_norm_backward", dy, x, g, epsilon)],
        "two results": lambda dy, x, g, epsilon=1e-3: reference("layer_norm_backward", dy, x, g, epsilon)[:2],
        "dgamma of dy": lambda dy, x, g, epsilon=1e-3: (
            reference("layer_norm_backward", dy, x, g, epsilon)[0], dy.sum(0), dy.sum(0)),
        "x for dy": lambda dy, x, g, epsilon=1e-3: reference("layer_norm_backward", x, dy, g, epsilon),
        "absolute gamma": lambda dy, x, g, epsilon=1e-3: reference("layer_norm_backward", dy, x, np.abs(g), epsilon),
        "zeros": lambda dy, x, g, epsilon=1e-3: (0 * x, 0 * g, 0 * g),
        "forward": lambda dy, x, g, epsilon=1e-3: (g * hat(x, -1, epsilon), g, g),
        "dgamma with gamma": lambda dy, x, g, epsilon=1e-3: [
            one * (g if one.ndim == 1 else 1) for one in reference("layer_norm_backward", dy, x, g, epsilon)],
    },
    "transfer": {
        "the same model": lambda model, x, y: model,
        "nothing": lambda model, x, y: None,
        "new network": lambda model, x, y: head_of(
            keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]), x, y),
        "ten outputs": lambda model, x, y: head_of(keras.Sequential(
            [keras.Input((6,)), frozen_up_to(model, -2),
             keras.layers.Dense(10)]), x, y),
        "head on the first layer": lambda model, x, y: head_of(keras.Sequential(
            [keras.Input((6,)), frozen_up_to(model, 0),
             keras.layers.Dense(3)]), x, y),
        "wrong labels": lambda model, x, y: transfer_functional(model, x, (y + 1) % 3),
        "a function": lambda model, x, y: lambda x: x,
        "renormalised": lambda model, x, y: (
            model.layers[1].moving_mean.assign(0 * model.layers[1].moving_mean), transfer_functional(model, x, y))[1],
        "gamma reset": lambda model, x, y: (
            model.layers[1].gamma.assign(0 * model.layers[1].gamma + 1), transfer_functional(model, x, y))[1],
        "too short": lambda model, x, y: head_of(keras.Sequential(
            [keras.Input((6,)), frozen_up_to(model, -2),
             keras.layers.Dense(3)]), x, y, rate=1e-6, epochs=1),
    },
}  # fmt: skip


@pytest.mark.parametrize(("question", "name"), [(question, name) for question in WRONG for name in WRONG[question]])
def test_an_unlisted_wrong_answer_is_rejected_with_its_evidence(question, name):
    result = check(question, WRONG[question][name])
    if name == "nothing":
        assert result.score == 0
    assert not result.passed
    assert result.score < result.max_score
    assert any(case.feedback for case in result.cases if not case.passed)


def test_there_are_ten_unlisted_wrong_answers_and_four_right_ones_for_each():
    assert all(len(answers) >= 10 for answers in WRONG.values())
    assert all(len(answers) >= 4 for answers in RIGHT.values())


def test_the_references_are_keras():
    """Forward and backward within 1e-5 of the Keras layers."""
    rng = np.random.default_rng(3)
    x, dy = rng.normal(2, 3, (2, 4, 4, 3, 6)).astype(np.float32)
    gamma, beta = rng.normal(size=(2, 6)).astype(np.float32)
    layer = keras.layers.LayerNormalization(epsilon=1e-3)
    layer.build(x.shape)
    layer.set_weights([gamma, beta])
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(dy * layer(inputs))
    theirs = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
    for one, other in zip(reference("layer_norm_backward", dy, x, gamma), theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(one).max()))
    np.testing.assert_allclose(reference("layer_norm", x, gamma, beta), layer(x), atol=1e-5)
    np.testing.assert_allclose(
        reference("group_norm", x, gamma, beta, 3), group_norm_by_keras(x, gamma, beta, 3), atol=1e-5
    )
