"""`train_many` against a loop of `model.fit`: python -m tests.benchmarks.bench_training

The same model (3 x 100 with BatchNormalization), data, steps (690 of 60 images) and evaluations (every 23 steps; the
loop evaluates the test images with the moving statistics only, `train_many` all images with both kinds). The loop uses
the fastest settings of `fit` that we found: batches cut beforehand, 23 steps in one execution, one validation batch.
Prints the median of three, and what the first call costs, which traces the graph.
"""

import functools
import statistics
import time

from helpers import environment

environment.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from helpers.data import load  # noqa: E402
from helpers.networks import mlp  # noqa: E402
from helpers.training import batch_order, train_many  # noqa: E402

STEPS, BATCH_SIZE, EVALUATE_EVERY, REPEATS = 690, 60, 23, 3
BUILD = functools.partial(mlp, depth=3, width=100)


def with_train_many(digits, seeds):
    train_many(
        BUILD, digits, seeds=seeds, steps=STEPS, batch_size=BATCH_SIZE, optimizer=keras.optimizers.SGD(0.1),
        evaluate_every=EVALUATE_EVERY, progress=False,
    )  # fmt: skip


def with_fit(digits, seeds):
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        rows = batch_order(digits.y_train, STEPS, BATCH_SIZE, seed)
        batches = tf.data.Dataset.from_tensor_slices((digits.x_train[rows], digits.y_train[rows]))
        model = BUILD()
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            steps_per_execution=EVALUATE_EVERY,
        )
        model.fit(
            batches.repeat(), steps_per_epoch=EVALUATE_EVERY, epochs=STEPS // EVALUATE_EVERY, verbose=0, shuffle=False,
            validation_data=(digits.x_test, digits.y_test), validation_batch_size=len(digits.x_test),
        )  # fmt: skip


def seconds(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def main():
    digits = load("digits")
    with_fit(digits, 1)  # TensorFlow's own first time
    for seeds in (1, 8, 20):
        first = seconds(with_train_many, digits, seeds)
        ours = statistics.median(seconds(with_train_many, digits, seeds) for _ in range(REPEATS))
        loop = statistics.median(seconds(with_fit, digits, seeds) for _ in range(REPEATS))
        print(
            f"ratio {seeds} seed{'s' if seeds > 1 else ''}: {loop / ours:.1f}x ({ours:.1f} s against {loop:.1f} s), "
            f"the first call, with its trace: {loop / first:.1f}x ({first:.1f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
