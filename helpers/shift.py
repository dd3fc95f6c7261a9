"""Internal covariate shift as numbers: by how far distributions move, by how far single examples do, and by gradients.

`values` is what `train_many` gives for each layer in `Runs.pre_activations`: (seeds, probes, rows, units).
"""

from typing import NamedTuple

import numpy as np


class Parts(NamedTuple):
    """The squared drift of each unit, split into three parts that add up to it: each (seeds, probes - 1, units)."""

    mean: np.ndarray
    spread: np.ndarray
    shape: np.ndarray


def drift(values):
    """How far the distribution of each unit moves from one probe to the next: (seeds, probes - 1, units).

    values: (seeds, probes, rows, units). The distance is the Wasserstein distance of order 2 between the values of all
    rows before and after, in the units of the values: sort both, pair them by rank, and take the root of the mean
    squared difference (Peyré & Cuturi 2019, Section 2.6). It asks where the values lie, not which row has which.

    Raises ValueError for another rank, fewer than two probes or no rows.
    """
    ordered = np.sort(_checked(values), axis=2)
    return _root_mean_square(np.diff(ordered, axis=1))


def travel(values):
    """How far each unit's value of a row moves from one probe to the next: the root mean square over the rows.

    values: (seeds, probes, rows, units). Returns (seeds, probes - 1, units). Never less than `drift`, since the pairing
    by rank is the one with the smallest mean squared difference.
    """
    return _root_mean_square(np.diff(_checked(values), axis=1))


def drift_parts(values):
    """The square of `drift` as (change of mean)² + (change of standard deviation)² + the rest, a change of shape.

    The identity holds for any two sets of values (Irpino & Verde 2015). Batch Normalization can only fix the first two.
    """
    values = _checked(values)
    mean = np.diff(values.mean(axis=2), axis=1) ** 2
    spread = np.diff(values.std(axis=2), axis=1) ** 2
    rest = drift(values) ** 2 - mean - spread
    return Parts(mean, spread, np.maximum(rest, 0))  # rounding can leave a little less than nothing


class GradientShift(NamedTuple):
    """The gradient of a kernel before and after the layers before it were updated: each (stages, kernels, seeds).

    cosine: of the angle between the two; 1 means the same direction. relative: the length of their difference over the
    length of the first; 0 means no change.
    """

    cosine: np.ndarray
    relative: np.ndarray


def gradient_shift(stages, *, batches=4):
    """Internal covariate shift after Santurkar et al. 2018 (Definition 2.1), for every kernel but the first.

    stages: `Runs` of one architecture, trained with the same seeds for different numbers of steps by plain SGD. Each is
    examined at the end of its training with the learning rate that it has there.
    batches: how many fresh random batches of training examples the result is averaged over.

    For each kernel: its gradient g on a batch; then one SGD step on everything *before* that kernel, with the same
    batch; then its gradient g' on the same batch. Batch Normalization uses the batch's statistics.
    Returns a `GradientShift`. Raises ValueError where the runs are not of one architecture or not made by plain SGD.
    """
    import keras

    runs = list(stages)
    if len({(run.settings.build, run.seeds) for run in runs}) != 1:
        raise ValueError("All stages must have the same build function and seeds.")
    for run in runs:
        optimizer = run.settings.optimizer
        more = ("momentum", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
        if type(optimizer) is not keras.optimizers.SGD or any(getattr(optimizer, name) for name in more):
            raise ValueError(f"The step before the second gradient is plain SGD; received {optimizer.get_config()}.")
    measure = _gradient_pairs(runs[0].model(runs[0].seeds[0]))
    results = np.stack([_at_one_stage(measure, run, batches) for run in runs])  # (stages, kernels, 2, seeds)
    return GradientShift(results[:, :, 0], results[:, :, 1])


def _gradient_pairs(model):
    """A graph: (stacked variables, x, y, learning rate) -> [cosine, relative] of each kernel but the first."""
    import tensorflow as tf

    from helpers.training.models import loss_function_for

    loss_function = loss_function_for(model)
    kernels = [i for i, variable in enumerate(model.trainable_variables) if variable.name == "kernel"][1:]
    count = len(model.trainable_variables)

    def gradients(trainable, tracked, x, y):
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, _ = model.stateless_call(trainable, tracked, x, training=True)
            loss = loss_function(y, outputs)
        return tape.gradient(loss, trainable)

    def one(arguments):
        variables, x, y, learning_rate = arguments
        trainable, tracked = variables[:count], variables[count:]
        first = gradients(trainable, tracked, x, y)
        updated = [variable - learning_rate * g for variable, g in zip(trainable, first, strict=True)]
        pairs = []
        for kernel in kernels:
            second = gradients([*updated[:kernel], *trainable[kernel:]], tracked, x, y)[kernel]
            lengths = tf.norm(first[kernel]), tf.norm(second)
            cosine = tf.reduce_sum(first[kernel] * second) / (lengths[0] * lengths[1])
            pairs.append([cosine, tf.norm(second - first[kernel]) / lengths[0]])
        return pairs

    return tf.function(lambda *arguments: tf.vectorized_map(one, arguments, warn=False))


def _at_one_stage(measure, runs, batches):
    import tensorflow as tf

    settings = runs.settings
    x, y = [], []
    for seed, dataset in zip(runs.seeds, settings.datasets, strict=True):
        rows = np.random.default_rng([seed, 2]).choice(len(dataset.x_train), (batches, settings.batch_size))
        x.append(dataset.x_train[rows])
        y.append(dataset.y_train[rows])
    variables = [tf.repeat(values, batches, axis=0) for values in runs.final_values]
    rate = tf.fill((len(runs.seeds) * batches,), _rate_at_the_end(runs))
    pairs = np.array(measure(variables, np.concatenate(x), np.concatenate(y), rate))
    return pairs.reshape(*pairs.shape[:2], len(runs.seeds), batches).mean(axis=-1)


def _rate_at_the_end(runs):
    """The learning rate of the next step, if there were one more; a schedule's follows the steps."""
    optimizer = runs.settings.optimizer
    optimizer = type(optimizer).from_config(optimizer.get_config())
    optimizer.iterations.assign(runs.train_loss.shape[1])
    return float(optimizer.learning_rate)


def _root_mean_square(differences):
    return np.sqrt(np.mean(differences**2, axis=2))


def _checked(values):
    values = np.asarray(values)
    if values.ndim != 4 or values.shape[1] < 2 or values.shape[2] < 1:
        raise ValueError(
            "Expected values of the shape (seeds, probes, rows, units) with at least 2 probes and 1 row, "
            f"received {values.shape}."
        )
    return values
