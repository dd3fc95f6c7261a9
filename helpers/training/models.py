"""What is known of a Keras model: its output and loss, its kernels, how to make it again, its Batch Normalization."""

import contextlib
import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf


def all_variables(model):
    return [*model.trainable_variables, *model.non_trainable_variables]


def built_model(build, dataset):
    """A model from the learner's function, built for the data set's features."""
    model = build()
    if not isinstance(model, keras.Model):
        raise ValueError(f"build() must return a Keras model, received {type(model).__name__}: {model!r:.80}.")
    if not model.built:
        model.build((None, *dataset.x_train.shape[1:]))
    if not hasattr(model, "output_shape"):
        reason = (
            "one of its layers works on values only, not on symbolic tensors, so that Keras does not know the shape of "
            "its output."
            if isinstance(model, keras.Sequential)
            else f"Keras does not see what its class {type(model).__name__} does between input and output. Return a "
            "keras.Sequential or a keras.Model(inputs, outputs)."
        )
        raise ValueError(f"This model cannot be trained for several seeds at once: {reason}")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"The model must have one input and one output, received {len(model.inputs)} and {len(model.outputs)}."
        )
    taken, given = model.input_shape[1:], dataset.x_train.shape[1:]
    if taken != given:
        raise ValueError(f"The model takes inputs of shape {taken}, the data set has {given}.")
    return model


def check_labels(model, datasets):
    labels = np.unique(np.concatenate([part for data in datasets for part in (data.y_train, data.y_test)]))
    outputs = model.output_shape[-1]
    if labels.dtype.kind not in "iu" or labels[0] < 0 or labels[-1] >= max(outputs, 2):
        raise ValueError(
            f"{outputs} output{'s' if outputs > 1 else ''} can tell the classes 0 to {max(outputs, 2) - 1} apart; "
            f"the data set has the labels {labels[:12].tolist()} ({labels.dtype})."
        )


_PROBABILITIES = {
    "softmax": (keras.activations.softmax, keras.ops.softmax, tf.nn.softmax),
    "sigmoid": (keras.activations.sigmoid, keras.ops.sigmoid, tf.nn.sigmoid),
}


def output_kind(model):
    """What the model ends with: "softmax" or "sigmoid", which give probabilities, or else "logits"."""
    (output,) = model.outputs
    last = output._keras_history.operation
    if getattr(last, "outputs", None):  # a model inside of the model
        return output_kind(last)
    function = getattr(last, "activation", getattr(last, "function", None))  # of a Dense, of a Lambda
    for name, functions in _PROBABILITIES.items():
        # keras.layers.Softmax and the operations that keras.ops.softmax and keras.ops.sigmoid put into a model.
        if type(last).__name__ == name.capitalize() or any(function is one for one in functions):
            return name
    return "logits"


def loss_function_for(model):
    """Cross-entropy that fits the output: logits, or the probabilities of a softmax or sigmoid at the end."""
    logits = output_kind(model) == "logits"
    if model.output_shape[-1] == 1:
        binary = keras.losses.BinaryCrossentropy(from_logits=logits)
        return lambda y, outputs: binary(tf.cast(y, outputs.dtype)[:, None], outputs)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def predicted_class(model, outputs):
    if outputs.shape[-1] > 1:
        return tf.argmax(outputs, axis=-1, output_type=tf.int32)
    threshold = 0.0 if output_kind(model) == "logits" else 0.5
    return tf.cast(outputs[:, 0] > threshold, tf.int32)


def kernel_positions(model):
    """{layer name: position in model.trainable_variables} of the kernels of all layers that have one."""
    positions = {id(variable): position for position, variable in enumerate(model.trainable_variables)}
    return {
        layer.name: positions[id(layer.kernel)]
        for layer in model._flatten_layers(include_self=False)
        if id(getattr(layer, "kernel", None)) in positions
    }


def made_by_keras(part):
    """Whether a layer or optimizer is Keras' own, with no function of a learner's in it, such as an activation.

    A configuration names a function: `relu` of a learner's own would come back as Keras' `relu`.
    """
    if isinstance(part, keras.Model):
        return False  # a model inside of the model may hold anything
    wrapped = [value for value in vars(part).values() if isinstance(value, keras.layers.Layer)]
    inside = [getattr(value, "__module__", "") for value in vars(part).values() if callable(value)]
    plain = all(module.startswith("keras.") for module in (type(part).__module__, *inside))
    return plain and all(map(made_by_keras, wrapped))


def without_initializers(config):
    """A layer's configuration without its name and its initialisers: where training starts is no part of the graph."""
    return {name: value for name, value in config.items() if name != "name" and not name.endswith("_initializer")}


class Architecture(NamedTuple):
    """What was trained, so that it can be made once more even if `build()` has come to make something else.

    cls, config: of the model, if Keras' own configuration says all about it; else None.
    parts: what is known of every layer.
    """

    cls: type
    config: dict | None
    parts: list

    @classmethod
    def of(cls, model):
        by_keras = type(model).__module__.startswith("keras.") and all(map(made_by_keras, model.layers))
        return cls(
            type(model),
            model.get_config() if by_keras else None,
            [_layer_fingerprint(part) for part in _all_layers(model)],
        )

    def new_model(self, settings):
        """A new model like it."""
        if self.config is not None:
            return self.cls.from_config(self.config)
        model = built_model(settings.build, settings.datasets[0])
        if [_layer_fingerprint(part) for part in _all_layers(model)] != self.parts:
            raise ValueError(
                "build() makes another network now than the one that was trained. Hand what it depends on to it by "
                "functools.partial, so that it stays as it was."
            )
        if settings.build() is model:
            raise ValueError("build() returns one and the same model every time. Make the model inside of build().")
        return model


def _all_layers(model):
    return list(model._flatten_layers(include_self=False))


def _layer_fingerprint(layer):
    """What can be said of a layer, to be compared: its class, its settings, its functions, the shapes of its state.

    Only Keras' own layers are sure to have a configuration; what it holds beside plain values has names in it that
    differ from one model to the next.
    """
    if made_by_keras(layer):
        config = without_initializers(layer.get_config())
        inside = {name: value for name, value in config.items() if isinstance(value, (int, float, str, list, tuple))}
    else:
        functions = {name: value for name, value in vars(layer).items() if callable(value)}
        functions.pop("call", None)  # see `batch_statistics`
        inside = {name: getattr(function, "__qualname__", "") for name, function in functions.items()}
    return type(layer).__qualname__, inside, [tuple(variable.shape) for variable in layer.variables]


def is_batch_normalization(layer):
    """Whether the layer is a Batch Normalization, Keras' or a learner's own."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "momentum")


@contextlib.contextmanager
def batch_statistics(model):
    """Inside, Batch Normalization uses the batch's statistics and keeps them; all other layers stay as they are.

    A call in inference mode with the whole training set then gives what the statistics should be under the present
    weights, without Dropout or other noise (Ioffe & Szegedy 2015, Algorithm 2, with one batch of all examples).
    """
    layers = [layer for layer in model._flatten_layers() if is_batch_normalization(layer)]
    kept = [(layer.call, layer.momentum) for layer in layers]
    try:
        for layer in layers:
            layer.call, layer.momentum = _in_training_mode(layer.call), 0.0
        yield
    finally:
        for layer, (call, momentum) in zip(layers, kept, strict=True):
            layer.call, layer.momentum = call, momentum


def _in_training_mode(call):
    @functools.wraps(call)
    def training_call(*arguments, **keywords):
        return call(*arguments, **{**keywords, "training": True})

    return training_call
