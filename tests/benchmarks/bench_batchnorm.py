"""Time of one forward and backward pass: the NumPy reference against Keras and a plain NumPy version.

Run from the repository's root: python -m tests.benchmarks.bench_batchnorm
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from helpers import batchnorm, explorers

SHAPES = [(64, 128), (1024, 1024), (32, 28, 28, 64)]
ROUNDS, UNTIMED, REPEATS = 7, 3, 9


def reference_step(x, dy, gamma, beta):
    y, cache = batchnorm.forward(x, gamma, beta)
    return y, batchnorm.backward(dy, cache)


def plain_step(x, dy, gamma, beta, epsilon=1e-3):
    """The formulas as a textbook prints them, one new array for every term."""
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(np.var(x, axis=axes) + epsilon)
    x_hat = (x - np.mean(x, axis=axes)) / std
    y = gamma * x_hat + beta
    dx = gamma / std * (dy - np.mean(dy, axis=axes) - x_hat * np.mean(dy * x_hat, axis=axes))
    return y, (dx, np.sum(dy * x_hat, axis=axes), np.sum(dy, axis=axes))


def keras_step(shape):
    layer = keras.layers.BatchNormalization()
    layer.build(shape)

    def step(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, layer.gamma.value, layer.beta.value], output_gradients=dy)

    return step


def medians(steps):
    """Median seconds of each step.

    The arms take turns in rounds, so that a busy moment of the machine meets all of them. Each round starts with
    untimed calls: TensorFlow's threads go on waiting actively for a moment, at the expense of whatever comes next.
    """
    times = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            for call in range(-UNTIMED, REPEATS):
                start = time.perf_counter()
                step()
                if call >= 0:
                    times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def compare(shape):
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=shape).astype("float32") for _ in range(2))
    gamma, beta = np.ones(shape[-1], "float32"), np.zeros(shape[-1], "float32")
    x_tensor, dy_tensor = tf.constant(x), tf.constant(dy)
    eager = keras_step(shape)
    graph = tf.function(keras_step(shape))
    compiled = tf.function(keras_step(shape), jit_compile=True)
    return medians(
        {
            "reference": lambda: reference_step(x, dy, gamma, beta),
            "plain NumPy": lambda: plain_step(x, dy, gamma, beta),
            "Keras eager": lambda: eager(x_tensor, dy_tensor)[1][0].numpy(),
            "Keras tf.function": lambda: graph(x_tensor, dy_tensor)[1][0].numpy(),
            "Keras XLA": lambda: compiled(x_tensor, dy_tensor)[1][0].numpy(),
        }
    )


def redraw_seconds(explorer, name, values):
    """Median time from a slider's move to the finished picture."""
    times = []
    for value in values:
        start = time.perf_counter()
        explorer.controls[name].value = value
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    print(f"Forward and backward, float32, median of {ROUNDS * REPEATS}: milliseconds (and times the reference's)")
    for shape in SHAPES:
        seconds = compare(shape)
        row = [f"{name} {1e3 * s:.2f} ({s / seconds['reference']:.1f}x)" for name, s in seconds.items()]
        print(f"{shape!s:18}", " | ".join(row))

    print("Explorer, one slider move to the finished picture, median:")
    for explorer, name, values in (
        (explorers.NormalizationExplorer(), "spread", np.arange(0.5, 4.5, 0.1)),
        (explorers.MomentumExplorer(), "steps", range(30, 70)),
    ):
        print(f"  {type(explorer).__name__:22} {1e3 * redraw_seconds(explorer, name, values):.0f} ms")


if __name__ == "__main__":
    main()
