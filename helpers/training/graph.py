"""The traced functions of one architecture: a training step of several seeds, an evaluation, a look inside."""

import functools
import json
import threading
from dataclasses import dataclass

import keras
import tensorflow as tf

from helpers.environment import without_tensorflow_warnings
from helpers.training.models import (
    batch_statistics,
    is_batch_normalization,
    kernel_positions,
    loss_function_for,
    made_by_keras,
    predicted_class,
    without_initializers,
)

# Threads share the graphs, and so the models behind them, whose layers are changed while some functions are traced.
TRACING = threading.RLock()


@dataclass(frozen=True)
class Graph:
    """The traced functions of one architecture. They hold no state: it comes in and goes out as tensors.

    `train` takes the variables of several seeds, stacked. With all examples in one batch there is enough to do for one
    seed, and the tensors of all would not fit the cache, so the others take those of one.
    """

    train: object  # (trainable, tracked, optimizer, x, y, rows, steps) -> the three states, losses, norms
    evaluate: object  # of one seed: (trainable, tracked, x_train, y_train, x_test, y_test) -> two times four scores
    probe: object  # of one seed: (trainable, tracked, x) -> the inputs of all Activation layers


def graph_of(model, optimizer, gradient_norms):
    """The traced functions for this model; the same ones where the same architecture was traced before."""
    config = optimizer.get_config()
    if type(model) is not keras.Sequential or not all(map(made_by_keras, [optimizer, *model.layers])):
        return _traced_graph(model, optimizer, gradient_norms)  # nobody knows what a learner's own code depends on
    if not isinstance(config["learning_rate"], float):
        return _traced_graph(model, optimizer, gradient_norms)  # a schedule is part of the graph
    layers = [(type(layer), without_initializers(layer.get_config())) for layer in model._layers]
    as_text = functools.partial(json.dumps, sort_keys=True, default=keras.saving.serialize_keras_object)
    return _cached_graph(
        tuple((cls, as_text(own)) for cls, own in layers),
        type(optimizer),
        as_text({**config, "name": None, "learning_rate": 0.0}),  # the rate belongs to the state
        gradient_norms,
    )


@functools.lru_cache(maxsize=4)  # a traced graph of a deep network holds some ten megabytes
def _cached_graph(layers, optimizer_class, optimizer_config, gradient_norms):
    # A model of its own, which nobody can change afterwards.
    model = keras.Sequential([cls.from_config(json.loads(config)) for cls, config in layers])
    return _traced_graph(model, optimizer_class.from_config(json.loads(optimizer_config)), gradient_norms)


def _traced_graph(model, optimizer, gradient_norms):
    return Graph(_train_function(model, optimizer, gradient_norms), _evaluate_function(model), _probe_function(model))


def _train_function(model, optimizer, gradient_norms):
    loss_function = loss_function_for(model)
    optimizer = stateless_optimizer(optimizer, model)
    kernels = list(kernel_positions(model).values()) if gradient_norms else []

    def one_step(state):
        trainable, tracked, optimizer_state, x, y = state
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, tracked, penalties = model.stateless_call(trainable, tracked, x, training=True, return_losses=True)
            loss = tf.add_n([loss_function(y, outputs), *penalties])
        gradients = tape.gradient(loss, trainable, unconnected_gradients="zero")
        trainable, optimizer_state = optimizer.stateless_apply(optimizer_state, gradients, trainable)
        return (trainable, tracked, optimizer_state), loss, [tf.norm(gradients[position]) for position in kernels]

    @_compiled()
    def train(trainable, tracked, optimizer_state, x, y, rows, steps):
        losses = tf.TensorArray(tf.float32, size=steps)
        norms = [tf.TensorArray(tf.float32, size=steps) for _ in kernels]
        for step in tf.range(steps):
            # Data of its own for every seed have one axis more.
            batch = [tf.gather(part, rows[step], batch_dims=y.shape.rank - 1) for part in (x, y)]
            # Random numbers fall back to a loop over the seeds inside the graph; the warning is for its authors.
            (trainable, tracked, optimizer_state), loss, new_norms = tf.vectorized_map(
                one_step, (trainable, tracked, optimizer_state, *batch), warn=False
            )
            losses = losses.write(step, loss)
            norms = [array.write(step, norm) for array, norm in zip(norms, new_norms, strict=True)]
        return (trainable, tracked, optimizer_state), losses.stack(), [array.stack() for array in norms]

    return train


def _evaluate_function(model):
    loss_function = loss_function_for(model)
    normalised = any(is_batch_normalization(layer) for layer in model._flatten_layers())

    def scores(y, outputs):
        right = tf.equal(predicted_class(model, outputs), y)
        return tf.reduce_mean(tf.cast(right, tf.float32)), loss_function(y, outputs)

    # One trace for the training and the test examples: their number is left open.
    variables = [
        [tf.TensorSpec(variable.shape, variable.dtype) for variable in part]
        for part in (model.trainable_variables, model.non_trainable_variables)
    ]
    examples = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)]

    @_compiled([*variables, *examples])
    def infer(trainable, tracked, x, y):
        return scores(y, model.stateless_call(trainable, tracked, x, training=False)[0])

    @_compiled([*variables, *examples])
    def recompute(trainable, tracked, x, y):
        with batch_statistics(model):
            outputs, recomputed = model.stateless_call(trainable, tracked, x, training=False)
        return scores(y, outputs), recomputed

    @_compiled([*variables, *examples, *examples])
    def evaluate(trainable, tracked, x_train, y_train, x_test, y_test):
        moving = *infer(trainable, tracked, x_train, y_train), *infer(trainable, tracked, x_test, y_test)
        if not normalised:
            return moving, moving
        on_train, recomputed = recompute(trainable, tracked, x_train, y_train)
        return moving, (*on_train, *infer(trainable, recomputed, x_test, y_test))

    return evaluate


def _probe_function(model):
    @_compiled()
    def probe(trainable, tracked, x):
        activations = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
        inside = keras.Model(model.inputs, [*(layer.input for layer in activations), *model.outputs])
        with batch_statistics(model):
            return inside.stateless_call(trainable, tracked, x, training=False)[0][:-1]

    return probe


def _compiled(signature=None):
    """`tf.function`, traced apart from the call: one trace for each architecture is the plan and needs no warning.

    signature: of the arguments, where one trace serves all; else there is one for every shape of theirs.
    """

    def decorate(function):
        compiled = tf.function(function, input_signature=signature)

        def trace(*arguments):
            # The gradient of a convolution is a loop over the seeds inside the graph; the warning is for its authors.
            with TRACING, without_tensorflow_warnings():
                return compiled.get_concrete_function(*([] if signature else arguments))

        @functools.wraps(function)
        def call(*arguments):
            return trace(*arguments)(*arguments)

        call.trace = trace
        return call

    return decorate


def stateless_optimizer(optimizer, model):
    """A copy of the optimizer, built for the model, whose `stateless_apply` works on the TensorFlow backend.

    Keras' TensorFlow optimizers assign to `tf.Variable`s directly and so have no stateless form; the methods of the
    base class that they override work on Keras variables, which a stateless scope can follow.
    """
    cls = type(optimizer)
    (overriding,) = (c for c in cls.__mro__ if c.__name__ == "TFOptimizer")
    (base,) = (c for c in cls.__mro__ if c.__name__ == "BaseOptimizer")
    back = {name: getattr(base, name) for name in vars(overriding) if name in vars(base) and not name.startswith("__")}
    # Behind the optimizer's own class, whose methods count before them: Nadam has an update step of its own.
    stateless = type("Stateless", (overriding,), back)
    copy = type(cls.__name__, (cls, stateless), {}).from_config(optimizer.get_config())
    copy.build(model.trainable_variables)
    return copy
