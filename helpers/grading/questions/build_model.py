"""Exercise `build_model`."""

import itertools

import numpy as np

from helpers.grading import sandbox
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import KerasQuestion, as_array, fixed_weights, is_model
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception


def _builder_of(*names, **batchnorm):
    """A build_model() from layer names: numbers are Dense layers."""

    def build():
        import keras
        from keras import layers

        makers = {
            "batchnorm": lambda: layers.BatchNormalization(**batchnorm),
            "layernorm": layers.LayerNormalization,
            "dropout": lambda: layers.Dropout(0.5),
        }
        return keras.Sequential(
            [
                layers.Dense(name)
                if isinstance(name, int)
                else makers[name]()
                if name in makers
                else layers.Activation(name)
                for name in names
            ]
        )

    return build


class BuildModel(KerasQuestion):
    id = "build_model"
    short = "bld"
    title = "The lesson's network"
    points = 5
    section = "Code example"
    notebook, heading = "03_keras_sequential", "The lesson's network, exactly as printed"
    wanted = "a function `build_model()` that returns a Keras model"
    hints = (
        "Two hidden layers of 128 and 64 units and one output. Each hidden layer is three steps.",
        "A hidden layer is `Dense` without an activation, then `BatchNormalization`, then `Activation`: "
        '`Dense(128, activation="relu")` would apply it too early. And the output, which is a number of any sign?',
    )
    try_first = "Read the lesson's code example aloud, layer by layer. Where is the activation?"

    @staticmethod
    def reference():
        from keras import Sequential
        from keras.layers import Activation, BatchNormalization, Dense

        return Sequential(
            [
                Dense(128),
                BatchNormalization(),
                Activation("relu"),
                Dense(64),
                BatchNormalization(),
                Activation("relu"),
                Dense(1),
            ]
        )

    misconceptions = (
        Misconception(
            "Your activation comes before BatchNorm. The order is `Dense`, `BatchNormalization`, `Activation`. "
            '(`Dense(128, activation="relu")` puts it before as well: the ReLU is its last step.)',
            _builder_of(128, "relu", "batchnorm", 64, "relu", "batchnorm", 1),
        ),
        Misconception(
            "Your model applies the activation twice, before and after BatchNorm. Leave it out of `Dense`.",
            _builder_of(128, "relu", "batchnorm", "relu", 64, "relu", "batchnorm", "relu", 1),
        ),
        Misconception(
            "Your model has no BatchNorm. Put `BatchNormalization()` between each hidden `Dense` and its activation.",
            _builder_of(128, "relu", 64, "relu", 1),
        ),
        *(
            Misconception(
                "Your BatchNorm stands before the `Dense` layer. It normalises what comes out of one: "
                "`Dense`, `BatchNormalization`, `Activation`.",
                _builder_of(*names),
            )
            for names in (
                ("batchnorm", 128, "relu", "batchnorm", 64, "relu", 1),
                ("batchnorm", 128, "relu", "batchnorm", 64, "relu", "batchnorm", 1),
            )
        ),
        Misconception(
            "Your model normalises its input as well. The lesson's network has a BatchNorm behind each hidden "
            "`Dense` and no other.",
            _builder_of("batchnorm", 128, "batchnorm", "relu", 64, "batchnorm", "relu", 1),
        ),
        Misconception(
            "BatchNorm follows your first hidden layer only. The second one needs it too.",
            _builder_of(128, "batchnorm", "relu", 64, "relu", 1),
        ),
        Misconception(
            "BatchNorm follows your second hidden layer only. The first one needs it too.",
            _builder_of(128, "relu", 64, "batchnorm", "relu", 1),
        ),
        Misconception(
            "Your BatchNorm is a fixed scale and shift: with `trainable=False` it never uses the statistics "
            "of a batch, and its moving "
            "averages never move. Remove the argument.",
            _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, trainable=False),
        ),
        Misconception(
            "With `momentum=1.0` the moving averages never move, so at inference your BatchNorm is a fixed "
            "scale and shift that knows "
            "nothing of the data. Leave the momentum at 0.99.",
            _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, momentum=1.0),
        ),
        *(
            Misconception(
                "Your momentum is so small that the moving averages follow the last batches only. In Keras it is the "
                "weight of the old value; PyTorch writes it the other way round, so its 0.1 is Keras' 0.9. "
                "Leave it at 0.99.",
                _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, momentum=momentum),
            )
            for momentum in (0.1, 0.0)
        ),
        Misconception(
            "That is LayerNormalization: it averages over the features of each example and keeps no moving averages. "
            "The lesson uses `BatchNormalization()`.",
            _builder_of(128, "layernorm", "relu", 64, "layernorm", "relu", 1),
        ),
        Misconception(
            "Your model has no activation, so its layers are linear and two of them do no more than one. "
            'Put `Activation("relu")` behind each BatchNorm.',
            _builder_of(128, "batchnorm", 64, "batchnorm", 1),
        ),
        Misconception(
            "Your output goes through a ReLU, so it can not be negative. The last layer is a plain `Dense(1)`.",
            _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "relu"),
        ),
        Misconception(
            "Your output goes through a sigmoid. The lesson's last layer is a plain `Dense(1)`; the sigmoid "
            "belongs to the loss "
            "(`from_logits=True`).",
            _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "sigmoid"),
        ),
        Misconception(
            "Your model normalises its output as well. The lesson's last layer is a plain `Dense(1)`: "
            "normalised, a prediction would depend on the other examples of the batch.",
            _builder_of(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "batchnorm"),
        ),
        Misconception(
            "Your model uses tanh; the lesson's network uses ReLU.",
            _builder_of(128, "batchnorm", "tanh", 64, "batchnorm", "tanh", 1),
        ),
        Misconception(
            "Your model uses the sigmoid in its hidden layers; the lesson's network uses ReLU.",
            _builder_of(128, "batchnorm", "sigmoid", 64, "batchnorm", "sigmoid", 1),
        ),
        Misconception(
            "Your model draws random numbers in training, as `Dropout` does. The lesson's network has none; "
            "and before a BatchNorm, whatever stands between, Dropout makes the variances of training and inference "
            "differ.",
            _builder_of(128, "dropout", "batchnorm", "relu", 64, "dropout", "batchnorm", "relu", 1),
            wild=("training",),
        ),
    )

    def probes(self, answer):

        found = sandbox.run(lambda: _input_shape(answer()), limit_memory=False).value or (64,)
        x = np.round(np.random.default_rng(7).normal(0.5, 2, (16, *found)), 2).astype(np.float32)
        inference = ("the number of units in each Dense layer", "whether it is random", "the prediction")
        training = ("the output in training", "how many moving statistics moved, and how many remember")
        return [
            Probe(
                "inference",
                {"x": x},
                {},
                inference,
                (1e-6, 1e-6, 0.01),
                call=_units_and_prediction,
                say=_describe_model,
                split=(
                    ("Dense layers of 128, 64 and 1 units", 1),
                    ("nothing is random", 0.5),
                    ("inference: the output is that of the lesson's network", 2),
                ),
            ),
            Probe(
                "training",
                {"x": x},
                {},
                training,
                (0.01, 1e-6),
                call=_output_and_averages,
                say=_describe_model,
                split=(
                    ("training: the output is that of the lesson's network", 1.5),
                    ("two BatchNorm layers keep moving averages", 1),
                ),
            ),
        ]


def _input_shape(model):
    """The shape of one example, where the model says so."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) < 2 or not all(isinstance(size, int) for size in shape[1:]):
        return None
    return shape[1:]


def _model_with_fixed_weights(build, x):
    """The learner's model, called once and given fixed weights. Returns it and x in the shape that it takes."""
    import keras

    keras.utils.set_random_seed(11)
    model = build()
    if model is ... or model is None:
        return model, x
    if not is_model(model):
        raise Remark(
            f"Expected a Keras model, received a `{type(model).__name__}`. Does `build_model` return the model itself?"
        )
    if _input_shape(model) is None:
        x = x.reshape(len(x), -1)
    model(x[:2])
    for weight in model.weights:
        weight.assign(fixed_weights(weight.name, weight.shape))
    return model, x


def _units_in_order(kernels):
    """The units of each kernel, in the order in which one takes what the last one gives, whichever was made first.

    Where they form no chain, or where there are too many to try, in the order in which they were made.
    """
    shapes = [tuple(kernel.shape[-2:]) for kernel in kernels]
    orders = itertools.permutations(shapes) if len(shapes) < 7 else ()
    chain = next((order for order in orders if all(a[-1] == b[0] for a, b in itertools.pairwise(order))), shapes)
    return [shape[-1] for shape in chain]


def _units_and_prediction(build, given):
    model, x = _model_with_fixed_weights(build, given["x"])
    if not is_model(model):
        return model
    units = _units_in_order([weight for weight in model.weights if weight.name == "kernel"])
    prediction = as_array(model(x, training=False))
    random = np.abs(as_array(model(x, training=True)) - as_array(model(x, training=True))).max() > 1e-6
    return units, random, prediction


def _output_and_averages(build, given):
    model, x = _model_with_fixed_weights(build, given["x"])
    if not is_model(model):
        return model
    before = [as_array(weight) for weight in model.non_trainable_weights]
    output = as_array(model(x, training=True))
    after = [as_array(weight) for weight in model.non_trainable_weights]
    model(x, training=True)
    again = [as_array(weight) for weight in model.non_trainable_weights]
    moved = remember = 0
    for one, two, three in zip(before, after, again, strict=True):
        first, second = np.abs(two - one).max(), np.abs(three - two).max()
        moved += first > 1e-6
        remember += first > 1e-6 and second / first > 0.5  # the same batch again goes `momentum` times as far
    return output, [moved, remember]


def _describe_model(name, received, expected):
    if name == "the number of units in each Dense layer":
        units = ", ".join(f"{size:g}" for size in received) or "none"
        return f"The Dense layers should have 128, 64 and 1 units, in this order; yours have `{units}`."
    if name == "whether it is random":
        return "With the same weights and the same batch, two calls with `training=True` gave different outputs."
    if name == "how many moving statistics moved, and how many remember":
        if received[0] == expected[0]:
            return (
                "After one call with `training=True` the moving averages are nearer to the batch than to what they "
                "were before. With momentum 0.99 a batch counts for one hundredth."
            )
        return (
            "After one call with `training=True` the moving mean and variance of two BatchNorm layers should "
            "have moved, "
            f"4 vectors in all; in your model `{int(received[0])}` did."
        )
    if received.shape != expected.shape:
        return f"For a batch of 16 the output should have shape `{expected.shape}`; received shape `{received.shape}`."
    received, expected = (", ".join(f"{value:.3g}" for value in output.ravel()[:3]) for output in (received, expected))
    mode = "training" if name == "the output in training" else "inference"
    return (
        f"With the same weights and the same batch of 16, the lesson's network gives `[{expected}, …]` in {mode}; "
        f"yours gives `[{received}, …]`."
    )
