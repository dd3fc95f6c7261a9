"""What the Keras exercises share: they judge by what models do, and import TensorFlow only when one is checked."""

import zlib

import numpy as np

from helpers.grading.observing import Remark
from helpers.grading.question import CodeQuestion
from helpers.grading.sandbox import quote


class KerasQuestion(CodeQuestion):
    """A question whose answer builds or changes a Keras model.

    TensorFlow reserves address space in large pieces and ends the process where it gets none: no memory limit here.
    """

    limit_memory = False

    def judge(self, answer):
        from helpers import environment

        environment.quiet_tensorflow()
        # A check consists of many small traced functions, of which TensorFlow warns.
        with environment.without_tensorflow_warnings():
            return super().judge(answer)


def normalization_layers(model):
    """Every layer with moving statistics, in nested models too."""
    found = []
    for layer in model.layers:
        if hasattr(layer, "moving_variance"):
            found.append(layer)
        elif hasattr(layer, "layers"):
            found += normalization_layers(layer)
    return found


def is_model(value):
    import keras

    return isinstance(value, keras.Model)


def as_array(value):
    return value.numpy().astype(np.float64)


def fixed_weights(name, shape):
    """Numbers that depend on a weight's name and shape alone, so that equal networks get equal weights."""
    rng = np.random.default_rng(zlib.crc32(f"{name}{tuple(shape)}".encode()))
    if name == "kernel":
        return rng.normal(0, 1.5 / np.sqrt(shape[0]), shape)
    if name == "bias":
        return np.zeros(shape)  # with or without one is the learner's choice
    if name == "gamma":
        return rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    if name == "moving_variance":
        return rng.uniform(0.5, 4.0, shape)
    return rng.normal(0, 1, shape)


def compile_quietly(model):
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)


RETURNED_NOTHING = (
    "Your function returned nothing; the check looked at the model that it gave you. End with `return model`."
)


def returned_model(result, given):
    """The model to look at, and the remark on a missing `return`."""
    if result is None:
        return given, RETURNED_NOTHING
    if not is_model(result):
        raise Remark(f"Your function should return the model; received a {quote(type(result).__name__, 40)}.")
    return result, ""
