"""What a seed decides: the initial weights, the Dropout masks, the order of the batches."""

import functools
import itertools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from helpers.training.models import all_variables


def initial_variables(model, seed):
    """The initial values that `seed` gives to all variables of a built model, in the order of its two lists.

    Returns two lists of arrays, for `model.trainable_variables` and `model.non_trainable_variables`. Random
    initialisers are drawn again with a seed made of `seed` and the number of the variable among those drawn at
    random, so that the kernels of two architectures agree where their shapes do. Others keep their values, and so does
    a variable that was set after its initialiser had drawn it, as in a model that was trained before.

    Raises ValueError where a variable is random but no initialiser of its layer says how it was drawn, or one that
    takes no seed.
    """
    return initial_values(model, initial_value_draws(model), seed)


def initial_values(model, draws, seed):
    values = [draw(seed) for draw in draws]
    split = len(model.trainable_variables)
    return values[:split], values[split:]


def initial_value_draws(model):
    """For every variable of a built model a function of the seed that gives its initial value, an array."""
    initializers = {}
    for layer in model._flatten_layers(include_self=False):
        for name, initializer in vars(layer).items():
            variable = getattr(layer, name.removesuffix("_initializer"), None) if "_initializer" in name else None
            if isinstance(variable, keras.Variable):
                initializers[id(variable)] = initializer
    kernels, dropouts = itertools.count(), itertools.count(10_000)
    draws = []
    for variable in all_variables(model):
        initializer = initializers.get(id(variable))
        if _takes_seed(initializer):
            draw = functools.partial(_drawn_with_seed, variable, initializer, next(kernels))
            draws.append(functools.partial(_present_value, variable) if _was_set_later(variable, initializer) else draw)
        elif "seed_generator_state" in variable.path:
            draws.append(functools.partial(_dropout_seed_state, variable, next(dropouts)))
        else:
            _check_not_random(variable, initializer)
            draws.append(functools.partial(_present_value, variable))
    return draws


def _takes_seed(initializer):
    return isinstance(initializer, keras.Initializer) and "seed" in initializer.get_config()


def _drawn_with_seed(variable, initializer, number, seed):
    config = {**initializer.get_config(), "seed": _derived_seed(seed, number)}
    return np.asarray(type(initializer).from_config(config)(variable.shape, variable.dtype))


def _present_value(variable, seed):
    return np.asarray(variable)


def _dropout_seed_state(variable, number, seed):
    return np.array([_derived_seed(seed, number), 0], variable.dtype)


def _was_set_later(variable, initializer):
    """Whether a variable has other values than its initialiser drew: Keras' own draw the same ones at every call."""
    if isinstance(getattr(initializer, "seed", None), keras.random.SeedGenerator):
        return False  # draws others at every call, and a call would change what the learner draws next
    first = _values_of_initializer(initializer, variable)
    return not np.array_equal(first, variable) and np.array_equal(first, _values_of_initializer(initializer, variable))


def _check_not_random(variable, initializer):
    """Raise ValueError where every seed would start with the same values although they are random."""
    if initializer is None and np.ptp(np.asarray(variable)) > 0:
        raise ValueError(
            f"Variable {variable.path!r} starts at random, but its layer has no initialiser of that name to draw "
            "it again for every seed. Give the layer a `..._initializer` attribute for it, as Keras' layers have."
        )
    if callable(initializer) and not np.array_equal(*(_values_of_initializer(initializer, variable) for _ in range(2))):
        raise ValueError(
            f"Variable {variable.path!r} starts at random, but its initialiser takes no seed, so that it cannot be "
            "drawn again for every seed. Use one of keras.initializers, or a keras.Initializer of your own with a "
            "`seed` in its `get_config`."
        )


def _values_of_initializer(initializer, variable):
    return np.asarray(initializer(variable.shape, dtype=variable.dtype))


def _derived_seed(seed, number):
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)  # Keras wants 31 bits


class Start(NamedTuple):
    """What the seed of a run decides."""

    trainable: list  # arrays, as of `initial_variables`
    tracked: list
    data: list  # tensors, as of `_example_tensors`
    rows: np.ndarray  # (steps, batch_size)


def starts_of_seeds(model, settings):
    """A `Start` for every seed; seeds with the same data set share its tensors."""
    tensors, draws = (
        {id(dataset): _example_tensors(dataset) for dataset in settings.datasets},
        initial_value_draws(model),
    )
    return [
        Start(
            *initial_values(model, draws, seed),
            tensors[id(dataset)],
            _checked_batch_rows(settings, seed, dataset.y_train),
        )
        for seed, dataset in zip(settings.seeds, settings.datasets, strict=True)
    ]


def _checked_batch_rows(settings, seed, labels):
    """The row numbers of every batch of this seed's run, checked: the graph would take row 0 for a missing one."""
    rows = np.asarray(settings.order(labels, settings.steps, settings.batch_size, seed))
    expected, examples = (settings.steps, settings.batch_size), len(labels)
    if rows.shape != expected or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= examples:
        raise ValueError(
            f"order must return whole numbers from 0 to {examples - 1} of shape (steps, batch_size) = {expected}, "
            f"received {rows.dtype} of shape {rows.shape}."
        )
    return rows.astype(np.int32)


def _example_tensors(dataset):
    """x_train, y_train, x_test, y_test."""
    examples = (dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)
    return [tf.constant(part, kind) for part, kind in zip(examples, (tf.float32, tf.int32) * 2, strict=True)]
