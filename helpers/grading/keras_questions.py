"""The Keras exercises, judged by what the models do. TensorFlow is imported when one of them is checked, not before."""

import contextlib
import itertools
import zlib
from dataclasses import replace

import numpy as np

from helpers.grading.question import CodeQuestion, Misconception, Noted, Probe, Remark
from helpers.grading.sandbox import quote


class KerasQuestion(CodeQuestion):
    """A question whose answer builds or changes a Keras model.

    TensorFlow reserves address space in large pieces and ends the process where it gets none: no memory limit here.
    """

    limit_memory = False

    def judge(self, answer):
        from helpers import environment

        environment.quiet_tensorflow()
        with _quiet_retracing():
            return super().judge(answer)


@contextlib.contextmanager
def _quiet_retracing():
    """TensorFlow warns of many small traced functions, which is what a check consists of."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def _norms(model):
    """Every layer with moving statistics, in nested models too."""
    found = []
    for layer in model.layers:
        if hasattr(layer, "moving_variance"):
            found.append(layer)
        elif hasattr(layer, "layers"):
            found += _norms(layer)
    return found


def _is_model(value):
    import keras

    return isinstance(value, keras.Model)


def _array(value):
    return value.numpy().astype(np.float64)


def _fixed(name, shape):
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


# build_model ------------------------------------------------------------------------------------------------


def _sequential(*names, **batchnorm):
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
            _sequential(128, "relu", "batchnorm", 64, "relu", "batchnorm", 1),
        ),
        Misconception(
            "Your model applies the activation twice, before and after BatchNorm. Leave it out of `Dense`.",
            _sequential(128, "relu", "batchnorm", "relu", 64, "relu", "batchnorm", "relu", 1),
        ),
        Misconception(
            "Your model has no BatchNorm. Put `BatchNormalization()` between each hidden `Dense` and its activation.",
            _sequential(128, "relu", 64, "relu", 1),
        ),
        *(
            Misconception(
                "Your BatchNorm stands before the `Dense` layer. It normalises what comes out of one: "
                "`Dense`, `BatchNormalization`, `Activation`.",
                _sequential(*names),
            )
            for names in (
                ("batchnorm", 128, "relu", "batchnorm", 64, "relu", 1),
                ("batchnorm", 128, "relu", "batchnorm", 64, "relu", "batchnorm", 1),
            )
        ),
        Misconception(
            "Your model normalises its input as well. The lesson's network has a BatchNorm behind each hidden "
            "`Dense` and no other.",
            _sequential("batchnorm", 128, "batchnorm", "relu", 64, "batchnorm", "relu", 1),
        ),
        Misconception(
            "BatchNorm follows your first hidden layer only. The second one needs it too.",
            _sequential(128, "batchnorm", "relu", 64, "relu", 1),
        ),
        Misconception(
            "BatchNorm follows your second hidden layer only. The first one needs it too.",
            _sequential(128, "relu", 64, "batchnorm", "relu", 1),
        ),
        Misconception(
            "Your BatchNorm is a fixed scale and shift: with `trainable=False` it never uses the statistics "
            "of a batch, and its moving "
            "averages never move. Remove the argument.",
            _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, trainable=False),
        ),
        Misconception(
            "With `momentum=1.0` the moving averages never move, so at inference your BatchNorm is a fixed "
            "scale and shift that knows "
            "nothing of the data. Leave the momentum at 0.99.",
            _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, momentum=1.0),
        ),
        *(
            Misconception(
                "Your momentum is so small that the moving averages follow the last batches only. In Keras it is the "
                "weight of the old value; PyTorch writes it the other way round, so its 0.1 is Keras' 0.9. "
                "Leave it at 0.99.",
                _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, momentum=momentum),
            )
            for momentum in (0.1, 0.0)
        ),
        Misconception(
            "That is LayerNormalization: it averages over the features of each example and keeps no moving averages. "
            "The lesson uses `BatchNormalization()`.",
            _sequential(128, "layernorm", "relu", 64, "layernorm", "relu", 1),
        ),
        Misconception(
            "Your model has no activation, so its layers are linear and two of them do no more than one. "
            'Put `Activation("relu")` behind each BatchNorm.',
            _sequential(128, "batchnorm", 64, "batchnorm", 1),
        ),
        Misconception(
            "Your output goes through a ReLU, so it can not be negative. The last layer is a plain `Dense(1)`.",
            _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "relu"),
        ),
        Misconception(
            "Your output goes through a sigmoid. The lesson's last layer is a plain `Dense(1)`; the sigmoid "
            "belongs to the loss "
            "(`from_logits=True`).",
            _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "sigmoid"),
        ),
        Misconception(
            "Your model normalises its output as well. The lesson's last layer is a plain `Dense(1)`: "
            "normalised, a prediction would depend on the other examples of the batch.",
            _sequential(128, "batchnorm", "relu", 64, "batchnorm", "relu", 1, "batchnorm"),
        ),
        Misconception(
            "Your model uses tanh; the lesson's network uses ReLU.",
            _sequential(128, "batchnorm", "tanh", 64, "batchnorm", "tanh", 1),
        ),
        Misconception(
            "Your model uses the sigmoid in its hidden layers; the lesson's network uses ReLU.",
            _sequential(128, "batchnorm", "sigmoid", 64, "batchnorm", "sigmoid", 1),
        ),
        Misconception(
            "Your model draws random numbers in training, as `Dropout` does. The lesson's network has none; "
            "and before a BatchNorm, whatever stands between, Dropout makes the variances of training and inference "
            "differ.",
            _sequential(128, "dropout", "batchnorm", "relu", 64, "dropout", "batchnorm", "relu", 1),
            wild=("training",),
        ),
    )

    def probes(self, answer):
        from helpers.grading import sandbox

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
                call=_predict,
                say=_say_model,
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
                call=_train,
                say=_say_model,
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


def _filled(build, x):
    """The learner's model, called once and given fixed weights. Returns it and x in the shape that it takes."""
    import keras

    keras.utils.set_random_seed(11)
    model = build()
    if model is ... or model is None:
        return model, x
    if not _is_model(model):
        raise Remark(
            f"Expected a Keras model, received a `{type(model).__name__}`. Does `build_model` return the model itself?"
        )
    if _input_shape(model) is None:
        x = x.reshape(len(x), -1)
    model(x[:2])
    for weight in model.weights:
        weight.assign(_fixed(weight.name, weight.shape))
    return model, x


def _units(kernels):
    """The units of each kernel, in the order in which one takes what the last one gives, whichever was made first.

    Where they form no chain, or where there are too many to try, in the order in which they were made.
    """
    shapes = [tuple(kernel.shape[-2:]) for kernel in kernels]
    orders = itertools.permutations(shapes) if len(shapes) < 7 else ()
    chain = next((order for order in orders if all(a[-1] == b[0] for a, b in itertools.pairwise(order))), shapes)
    return [shape[-1] for shape in chain]


def _predict(build, given):
    model, x = _filled(build, given["x"])
    if not _is_model(model):
        return model
    units = _units([weight for weight in model.weights if weight.name == "kernel"])
    prediction = _array(model(x, training=False))
    random = np.abs(_array(model(x, training=True)) - _array(model(x, training=True))).max() > 1e-6
    return units, random, prediction


def _train(build, given):
    model, x = _filled(build, given["x"])
    if not _is_model(model):
        return model
    before = [_array(weight) for weight in model.non_trainable_weights]
    output = _array(model(x, training=True))
    after = [_array(weight) for weight in model.non_trainable_weights]
    model(x, training=True)
    again = [_array(weight) for weight in model.non_trainable_weights]
    moved = remember = 0
    for one, two, three in zip(before, after, again, strict=True):
        first, second = np.abs(two - one).max(), np.abs(three - two).max()
        moved += first > 1e-6
        remember += first > 1e-6 and second / first > 0.5  # the same batch again goes `momentum` times as far
    return output, [moved, remember]


def _say_model(name, received, expected):
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


# train_step -------------------------------------------------------------------------------------------------


def _step(*, training=True, apply=1, swapped=False, loss_after=None, extra="", no_gamma_beta=False):
    """A training step with one thing wrong.

    extra: when it calls the model once more with `training=True`. loss_after: the mode in which it computes the loss
    again after the update.
    """

    def train_step(model, optimizer, loss_fn, x, y):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            if extra == "before":
                model(x, training=True)
            prediction = model(x, training=training)
            if extra == "after":
                model(x, training=True)
            value = loss_fn(prediction, y) if swapped else loss_fn(y, prediction)
        variables = model.trainable_variables
        if no_gamma_beta:
            variables = [variable for variable in variables if variable.name in ("kernel", "bias")]
        gradients = tape.gradient(value, variables)
        for _ in range(apply):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if extra == "at the end":
            model(x, training=True)
        if loss_after is not None:
            return loss_fn(y, model(x, training=loss_after))
        return value

    return train_step


class TrainStep(KerasQuestion):
    id = "train_step"
    title = "Repair a training step"
    points = 5
    section = "Training vs inference"
    notebook, heading = "02_batchnorm_from_scratch", "Parity: your two layers against Keras' own"
    wanted = "a function `train_step(model, optimizer, loss_fn, x, y)`"
    hints = (
        "Run a step and look at the moving mean of the BatchNorm layer before and after. Did it move?",
        "Outside `fit` a model does not know that it is being trained: `model(x, training=True)`. "
        "Then gradients, `optimizer.apply_gradients`, and return the loss.",
    )
    explains = tuple(
        (
            part,
            "The model and the loss must be called inside `with tf.GradientTape() as tape:`, or nothing is recorded.",
        )
        for part in ("No gradients provided", "None values not supported")
    )
    try_first = (
        "Run `broken_train_step` once more and print `norm.moving_mean` before and after. What does it tell you?"
    )

    @staticmethod
    def reference(model, optimizer, loss_fn, x, y):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            prediction = model(x, training=True)
            loss = loss_fn(y, prediction)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    misconceptions = (
        Misconception(
            "Your step calls the model without `training=True`. So BatchNorm normalises with its moving "
            "averages, and they never "
            "move: mean 0 and variance 1 after any number of steps. Outside `fit` you have to say it: "
            "`model(x, training=True)`.",
            _step(training=False),
        ),
        Misconception(
            "The weights never change: the gradients are computed, but not applied. "
            "Call `optimizer.apply_gradients(zip(gradients, model.trainable_variables))`.",
            _step(apply=0),
        ),
        Misconception("The gradients are applied twice in each step. Once is enough.", _step(apply=2)),
        Misconception(
            "The arguments of the loss have changed places. Keras takes the truth first: `loss_fn(y, prediction)`.",
            _step(swapped=True),
        ),
        *(
            Misconception(
                "The loss that you return is computed again after the update. Return the one from inside the tape: "
                "it belongs to the weights with which the step began.",
                _step(loss_after=training),
            )
            for training in (False, True)
        ),
        Misconception(
            "Your step calls the model twice with `training=True`, so each batch moves the moving averages "
            "twice. Call it once.",
            _step(extra="before"),
        ),
        *(
            Misconception(
                "The averages move, but the gradient still flows through inference mode. "
                "Put `training=True` into the call inside the tape.",
                _step(training=False, extra=extra),
            )
            for extra in ("before", "after", "at the end")
        ),
        Misconception(
            "Gamma and beta are not trained. They belong to `model.trainable_variables` as well as kernels and biases.",
            _step(no_gamma_beta=True),
        ),
    )

    def probes(self, answer):
        outputs = ("the loss of each step", "the weights", "the moving averages")
        return [
            Probe(
                "three steps",
                outputs=outputs,
                tolerance=2e-3,
                call=_three_steps,
                say=_say_step,
                split=(
                    ("it returns the loss of the step", 1),
                    ("three steps move the weights as they should", 2),
                    ("three steps move the moving averages", 2),
                ),
            )
        ]


def _three_steps(step, given):
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4),
            layers.BatchNormalization(momentum=0.8),
            layers.Activation("relu"),
            layers.Dense(1),
        ]
    )
    for weight in model.weights:
        if weight.name in ("kernel", "beta"):
            weight.assign(_fixed(weight.name, weight.shape))
    optimizer, loss_fn = keras.optimizers.SGD(0.3), keras.losses.BinaryCrossentropy(from_logits=True)
    rng = np.random.default_rng(3)
    losses = []
    for shift in (0.0, 2.0, -1.0):
        x = rng.normal(shift, 1.5, (8, 3)).astype(np.float32)
        y = (x[:, :1] + x[:, 1:2] > 2 * shift).astype(np.float32)
        loss = step(model, optimizer, loss_fn, x, y)
        if loss is ...:
            return ...
        losses.append(_loss_in(loss))
    flat = [
        np.concatenate([_array(weight).ravel() for weight in weights])
        for weights in (model.trainable_weights, model.non_trainable_weights)
    ]
    problem = next((loss for loss in losses if isinstance(loss, Remark)), None)
    return problem or np.array(losses), *flat


def _loss_in(returned):
    """The loss that a step returned, or the Remark about why it is none; what it did to the model still counts."""
    if returned is None:
        return Remark("Your step returns no loss. End it with `return loss`.")
    if isinstance(returned, (tuple, list)):
        kind = type(returned).__name__
        return Remark(f"Expected the loss alone; received a {kind} of {len(returned)}. Return `loss`.")
    try:
        return np.asarray(returned, dtype=np.float64).mean()
    except (TypeError, ValueError):
        return Remark(f"The loss should be a number; received {quote(type(returned).__name__, 40)}.")


def _say_step(name, received, expected):
    if name == "the loss of each step":
        got, right = (", ".join(f"{value:.3f}" for value in losses) for losses in (received, expected))
        return f"In three steps on a small network the losses should be `[{right}]`; received `[{got}]`."
    if name == "the weights":
        difference = np.abs(received - expected).max()
        return (
            "After three steps of SGD on a small network the weights should be those of a right step; "
            f"the largest difference is `{difference:.3f}`."
        )
    got, right = (", ".join(f"{value:.3f}" for value in averages[:4]) for averages in (received, expected))
    return f"After three steps the moving mean should be `[{right}]`; in your network it is `[{got}]`."


# freeze -----------------------------------------------------------------------------------------------------


def _compile(model):
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)


def _freezing(*, compile_again=True, choose=_norms, momentum=None):
    def freeze(model):
        for layer in choose(model):
            if momentum is None:
                layer.trainable = False
            else:
                layer.momentum = momentum
        if compile_again:
            _compile(model)
        return model

    return freeze


def _others(model):
    found = []
    for layer in model.layers:
        found += _others(layer) if hasattr(layer, "layers") else [] if hasattr(layer, "moving_variance") else [layer]
    return found


def _outer_batchnorms(model):
    return [layer for layer in model.layers if hasattr(layer, "moving_variance")]


COMPILE_ONCE = "The nested model was never compiled. Compile once, at the end, and only the outer model."
RETURNED_NOTHING = (
    "Your function returned nothing; the check looked at the model that it gave you. End with `return model`."
)


def _returned(result, given):
    """The model to look at, and the remark on a missing `return`."""
    if result is None:
        return given, RETURNED_NOTHING
    if not _is_model(result):
        raise Remark(f"Your function should return the model; received a {quote(type(result).__name__, 40)}.")
    return result, ""


class Freeze(KerasQuestion):
    id = "freeze"
    title = "Freeze BatchNorm for fine-tuning"
    points = 5
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "Freezing, and the compile-again trap"
    wanted = "a function `freeze(model)`"
    hints = (
        "In Keras `trainable = False` puts a BatchNorm layer in inference mode. Which layers of the model need it? "
        "Look into a model inside the model too.",
        "Set `layer.trainable = False` on every `BatchNormalization`, nested ones included, then compile again: "
        "a model that was compiled before keeps its old training step.",
    )
    explains = (
        ("has no attribute 'optimizer'", COMPILE_ONCE),
        ("has no attribute 'loss'", COMPILE_ONCE),
    )
    try_first = "Freeze, call `fit` for one epoch, and print the moving means before and after. Did any move?"

    @staticmethod
    def reference(model):
        import keras

        def batchnorms(model):
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    yield layer
                elif isinstance(layer, keras.Model):
                    yield from batchnorms(layer)

        for layer in batchnorms(model):
            layer.trainable = False
        model.compile(optimizer=model.optimizer, loss=model.loss)
        return model

    misconceptions = (
        Misconception(
            "You set `trainable = False`, but you did not compile again. The compiled training step is the "
            "old one and still "
            "moves the averages. Call `model.compile(optimizer=model.optimizer, loss=model.loss)` afterwards.",
            _freezing(compile_again=False),
        ),
        Misconception(
            "The whole model is frozen, so there is nothing left to fine-tune. Freeze the BatchNorm layers only.",
            _freezing(choose=lambda model: [model]),
        ),
        Misconception(
            "You froze the nested model with its Dense layers. Freeze its BatchNorm only.",
            _freezing(choose=lambda model: [layer for layer in model.layers if not hasattr(layer, "kernel")]),
        ),
        Misconception(
            "The BatchNorm inside the nested model is not frozen: a loop over `model.layers` does not look into it. "
            "Go through the layers of nested models too.",
            _freezing(choose=_outer_batchnorms),
        ),
        Misconception(
            "Two things are missing: the model is not compiled again, so the old training step goes on, and a loop "
            "over `model.layers` does not look into the nested model. `trainable = False` itself is right.",
            _freezing(choose=_outer_batchnorms, compile_again=False),
        ),
        Misconception(
            "With momentum 1 the moving averages stay, but in `fit` BatchNorm still normalises with the "
            "statistics of each batch. "
            "Inference mode is `layer.trainable = False`.",
            _freezing(momentum=1.0),
        ),
        Misconception(
            "It is the other way round: BatchNorm still trains, and the other layers are frozen. "
            "Set `trainable = False` on the BatchNorm layers.",
            _freezing(choose=_others),
        ),
        Misconception(
            "Nothing is frozen: after your function BatchNorm still uses and moves its statistics in `fit`. "
            "Set `layer.trainable = False` on each BatchNorm layer and compile again.",
            lambda model: model,
        ),
    )

    def probes(self, answer):
        outputs = (
            "which moving averages moved",
            "which use batch statistics",
            "which gammas and betas moved",
            "which kernels moved",
            "whether freezing changed a weight",
        )
        return [
            Probe(
                "fit after freezing",
                outputs=outputs,
                tolerance=1e-6,
                call=_fit_frozen,
                say=_say_frozen,
                split=(
                    ("further `fit` leaves the moving averages as they are", 2),
                    ("every BatchNorm is in inference mode, in training too", 2),
                    ("gamma and beta stay with their statistics", 0.5),
                    ("the other layers can still learn", 1),
                    ("freezing itself changes no weight", 0.5),
                ),
            )
        ]


def _fit_frozen(freeze, given):
    import keras
    from keras import layers

    keras.utils.set_random_seed(9)
    base = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Activation("relu")]
    )
    model = keras.Sequential([keras.Input((3,)), base, layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    _compile(model)
    x = np.random.default_rng(2).normal(3, 2, (16, 3)).astype(np.float32)
    model.fit(x, x[:, :1], batch_size=8, shuffle=False, verbose=0)
    learned = [_array(weight) for weight in model.weights]
    result = freeze(model)
    if result is ...:
        return ...
    model, note = _returned(result, model)
    kept = [_array(weight) for weight in model.weights]
    lost = len(kept) != len(learned) or any(
        new.shape != old.shape or (new != old).any() for new, old in zip(kept, learned, strict=False)
    )
    norms = _norms(model)
    trained = [[norm.gamma, norm.beta] for norm in norms]
    tracked = [[norm.moving_mean, norm.moving_variance] for norm in norms]
    kernels = [[weight] for weight in model.weights if weight.name == "kernel"]
    groups = [tracked, trained, kernels]
    before = [[[_array(weight) for weight in one] for one in group] for group in groups]
    if not getattr(model, "compiled", False):
        raise Remark(
            "The model that you return is not compiled, so `fit` can not run. Call `compile` in your function."
        )
    model.fit(x, x[:, :1] + 1, batch_size=8, shuffle=False, verbose=0)
    moved_tracked, moved_trained, moved_kernels = (
        [
            any(np.abs(_array(weight) - old).max() > 1e-7 for weight, old in zip(one, was, strict=True))
            for one, was in zip(group, old_group, strict=True)
        ]
        for group, old_group in zip(groups, before, strict=True)
    )
    mode = []
    for norm in norms:
        z = np.random.default_rng(4).normal(5, 3, (8, norm.gamma.shape[0])).astype(np.float32)
        at_inference = _array(norm(z, training=False))  # first: the other call may move the averages
        mode.append(np.abs(_array(norm(z, training=True)) - at_inference).max() > 1e-5)
    return Noted((moved_tracked, mode, moved_trained, moved_kernels, lost), note)


def _say_frozen(name, received, expected):
    if name == "whether freezing changed a weight":
        return (
            "The model that comes back should still have the weights that it had learned; "
            "in yours kernels, gamma, beta or averages differ."
        )
    count = len(expected)
    if received.shape != expected.shape:
        return f"The model should keep its `{count}` layers of this kind; yours has `{received.size}`."
    wrong = [index for index in range(count) if received[index] != expected[index]]
    where = "both" if len(wrong) == 2 and count == 2 else "the nested model's" if wrong == [0] else "the last"
    if name == "which moving averages moved":
        return f"In one epoch of `fit` after freezing, the moving averages of {where} BatchNorm {_plural(where)} moved."
    if name == "which use batch statistics":
        return (
            f"With `training=True`, {where} BatchNorm {_plural(where)} still normalised with the statistics "
            f"of the batch "
            "and not with the moving averages."
        )
    if name == "which gammas and betas moved":
        return (
            f"In one epoch of `fit` after freezing, gamma and beta of {where} BatchNorm {_plural(where)} were trained."
        )
    return f"In one epoch of `fit` after freezing, {len(wrong)} of 3 kernels did not change."


def _plural(where):
    return "layers" if where == "both" else "layer"


# recalibrate ------------------------------------------------------------------------------------------------


def _recalibrate_by_rows(model, x, batch_size):
    """Every batch counts with its rows: the plain loop with another momentum."""
    norms = _norms(model)
    momenta = [norm.momentum for norm in norms]
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        for norm in norms:
            norm.momentum = start / (start + len(batch))
        model(batch, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


def _recalibrating(
    *, training=True, momentum=None, choose=_norms, with_old=False, train=False, reset=False, rest=True, whole=False
):
    """A recalibration with one thing wrong."""

    def recalibrate(model, x, batch_size):
        batch_size = len(x) if whole else batch_size
        norms = choose(model)
        if reset:
            for norm in norms:
                norm.moving_mean.assign(np.zeros(norm.moving_mean.shape))
                norm.moving_variance.assign(np.ones(norm.moving_variance.shape))
        if train:
            _compile(model)
        saved = [norm.momentum for norm in norms]
        for count, start in enumerate(range(0, len(x) - (0 if rest else batch_size - 1), batch_size)):
            for norm in norms:
                if momentum == "average":
                    norm.momentum = (count + with_old) / (count + 1 + with_old)
                elif momentum is not None:
                    norm.momentum = momentum
            if train:
                model.train_on_batch(x[start : start + batch_size], np.zeros((len(x[start : start + batch_size]), 1)))
            else:
                model(x[start : start + batch_size], training=training)
        for norm, old in zip(norms, saved, strict=True):
            norm.momentum = old
        return model

    return recalibrate


ON_THE_WAY = (
    "You are on the way, but `momentum**steps` of the start is still there. Go on (at momentum 0.99 about 600 steps), "
    "or give batch k the momentum k / (k + 1)."
)


class Recalibrate(KerasQuestion):
    id = "recalibrate"
    title = "Recalibrate the moving statistics"
    seconds = 30  # many passes with the layer's own momentum are slow, and right
    points = 6
    section = "Training vs inference"
    notebook, heading = "05_training_and_inference", "A new domain"
    wanted = "a function `recalibrate(model, x, batch_size)`"
    hints = (
        "A call with `training=True` moves the averages and no weight. But with momentum 0.99 a few batches "
        "hardly move them.",
        "Give batch k (counted from 0) the momentum k / (k + 1): then the moving average is the plain average "
        "of all batches. "
        "Put the old momentum back at the end.",
    )
    try_first = "Which momentum makes the average of the first batch count in full, and of the second one half?"

    @staticmethod
    def reference(model, x, batch_size):
        layers = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
        momenta = [layer.momentum for layer in layers]
        for k, start in enumerate(range(0, len(x), batch_size)):
            for layer in layers:
                layer.momentum = k / (k + 1)  # the plain average of the batches so far; at k = 0 the old is forgotten
            model(x[start : start + batch_size], training=True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        return model

    misconceptions = (
        Misconception(
            "Your batches are averaged with the layer's own momentum, so a few of them hardly move "
            "the statistics. "
            "Let batch k count with momentum k / (k + 1), or go over the data until the old values are forgotten.",
            _recalibrating(),
        ),
        Misconception(
            "Your function sets the statistics to 0 and 1 and averages with the layer's own momentum: after a few "
            "batches they are "
            "still close to 0 and 1. Let batch k count with momentum k / (k + 1).",
            _recalibrating(reset=True),
        ),
        Misconception(
            "The statistics are those of the last batch only. Each batch has to count: momentum k / (k + 1) "
            "for batch k.",
            _recalibrating(momentum=0.0),
        ),
        Misconception(
            "The statistics did not move at all: without `training=True`, or with `trainable=False`, BatchNorm only "
            "reads them. Call `model(batch, training=True)`, on the model that you were given and not on a copy.",
            _recalibrating(training=False),
        ),
        Misconception(
            "Your function trains the model, so its weights change. A call `model(batch, training=True)` "
            "moves the statistics alone.",
            _recalibrating(momentum="average", train=True),
            wild=("recalibrate",),
        ),
        Misconception(
            "Only the first BatchNorm layer is recalibrated. The later ones need it as much.",
            _recalibrating(momentum="average", choose=lambda model: _norms(model)[:1]),
        ),
        Misconception(
            "The last rows are left out, because they do not fill a batch. Let `x[start : start + batch_size]` be "
            "shorter at the end: `for start in range(0, len(x), batch_size)`.",
            _recalibrating(momentum="average", rest=False),
        ),
        Misconception(
            "The old statistics still count as one batch among the new ones. They have to be forgotten: "
            "the first batch counts in full, with momentum 0.",
            _recalibrating(momentum="average", with_old=True),
        ),
        Misconception(
            "Your function sends all rows through at once. Send `batch_size` rows at a time: in training a batch "
            "normalises itself, so the size of the batches belongs to the statistics.",
            _recalibrating(momentum=0.0, whole=True),
        ),
        Misconception(
            "In your average a batch counts with its rows. Here every batch counts the same, the shorter last one "
            "too: momentum k / (k + 1).",
            _recalibrate_by_rows,
        ),
    )

    def probes(self, answer):
        outputs = (
            "the moving mean",
            "the moving variance",
            "the deeper statistics",
            "the moving mean, where every batch counts the same,",
            "the moving variance, where every batch counts the same,",
            "the weights",
            "the momentum",
            "trainable",
        )
        return [
            Probe(
                "recalibrate",
                {"x": _new_data()},
                {},
                outputs,
                (0.13, 0.2, 0.2, 0.015, 0.03, 1e-5, 1e-5, 1e-5),
                call=_recalibrated,
                say=_say_recalibrated,
                split=(
                    ("the first layer's moving mean is about the mean of x's activations", 1.5),
                    ("the first layer's moving variance is about their variance", 1.5),
                    ("so it is in the layers behind", 1.5),
                    ("the mean closely: nothing old is left, every batch counts the same", 0.5),
                    ("the variance closely: nothing old is left, every batch counts the same", 0.5),
                    ("the weights stay as they were", 1),
                    ("the layers have their momentum back", 0.5),
                    ("what was trainable still is", 0.5),
                ),
            )
        ]

    def _diagnosis(self, probes, expected, seen):
        known = super()._diagnosis(probes, expected, seen)
        if known or seen[0].outputs is None or not _partly_forgotten(seen[0].outputs, expected[0]):
            return known
        return ON_THE_WAY

    def _matches(self, misconception, probes, expected, seen):
        if misconception.wild:  # that the model was trained shows in its weights; its statistics may then be anything
            return seen[0].outputs is not None and not probes[0].agrees(seen[0].outputs, expected[0], 5)
        if seen[0].outputs is not None:  # what was not put back is a thing of its own, and its case says what
            seen = [replace(seen[0], outputs=(*seen[0].outputs[:-2], *expected[0][-2:])), *seen[1:]]
        return super()._matches(misconception, probes, expected, seen)


OLD_MEAN, OLD_VARIANCE = -4.0, 40.0  # far from those of the new data
MOMENTA = 0.99, 0.98


def _new_data():
    """Seven batches of 16 rows and one of 6, whose means and spreads differ, so that each of them has to count, and
    the last as much as the others."""
    rng = np.random.default_rng(8)
    shifts = np.repeat([0.3, -0.4, 0.2, -0.1, 0.4, -0.3, 0.1, 2.0], 16)[:, None]
    spread = np.repeat([1.5] * 7 + [2.5], 16)[:, None]
    return (rng.normal(2.0, spread, (128, 3)) + shifts).astype(np.float32)[:118]


def _recalibrated(recalibrate, given):
    import keras
    from keras import layers

    keras.utils.set_random_seed(13)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4),
            layers.BatchNormalization(momentum=MOMENTA[0]),
            layers.Activation("relu"),
            layers.Dense(3),
            layers.BatchNormalization(momentum=MOMENTA[1]),
            layers.Activation("relu"),
            layers.Dense(1),
        ]
    )
    _compile(model)
    for weight in model.weights:
        weight.assign(_fixed(weight.name, weight.shape))
    for norm in _norms(model):
        norm.gamma.assign(np.abs(_array(norm.gamma)))
        norm.moving_mean.assign(np.full(norm.moving_mean.shape, OLD_MEAN))
        norm.moving_variance.assign(np.full(norm.moving_variance.shape, OLD_VARIANCE))
    before = [_array(weight) for weight in _learned(model)]
    trainable = len(model.trainable_weights)
    result = recalibrate(model, given["x"], 16)
    if result is ...:
        return ...
    original = model
    model, note = _returned(result, model)
    after = [_array(weight) for weight in _learned(model)]
    if [value.shape for value in after] != [value.shape for value in before]:
        raise Remark("The model that comes back should have the layers of the one that you were given.")
    first, second = _norms(model)
    changed = max(np.abs(new - old).max() for new, old in zip(after, before, strict=True))
    if changed > 1e-6 and model is not original:
        raise Remark("The model that comes back is a copy without the weights that were learned. Give it those first.")
    mean, variance = _array(first.moving_mean), _array(first.moving_variance)
    deeper = np.stack([_array(second.moving_mean), _array(second.moving_variance)])
    frozen = len(model.trainable_weights) != trainable
    momenta = np.array([first.momentum, second.momentum])
    return Noted((mean, variance, deeper, mean, variance, changed > 1e-6, momenta, frozen), note)


def _learned(model):
    """Every weight but the moving statistics, whether it is frozen or not."""
    return [weight for weight in model.weights if not weight.name.startswith("moving_")]


def _say_recalibrated(name, received, expected):
    if name == "the weights":
        return "Kernels, biases, gamma or beta are not what they were before your function ran."
    if name == "trainable":
        return (
            "You left layers with `trainable=False`; set it back, or the next `fit` does not train them. "
            "Calls of the model change no kernel, gamma or beta, so nothing has to be frozen here."
        )
    if name == "the momentum":
        return _say_momentum(received, expected)
    got, right = (", ".join(f"{value:.3g}" for value in numbers.ravel()[:3]) for numbers in (received, expected))
    are = "they are" if name == "the deeper statistics" else "it is"
    return f"On {len(_new_data())} rows in batches of 16, {name} should be about `[{right}, …]`; {are} `[{got}, …]`."


def _say_momentum(received, expected):
    had = " and ".join(f"{momentum:g}" for momentum in expected)
    if received[0] == received[1] and received[0] in expected:
        return (
            f"Your layers had momentum {had}, and now both have {received[0]:g}. Keep each layer's own momentum "
            "before you change it, and put that back."
        )
    wrong = received[received != expected]
    return (
        f"Your layers are left with momentum {max(wrong):.3g}. They had {had}, and the next `fit` would average "
        "with yours: with momentum 0 it remembers its last batch only. Put the old momentum back."
    )


def _share_left(received, expected, start):
    """Which share of the start is still in the statistics; NaN where they are no mixture of start and truth."""
    way, rest = start - expected, received - expected
    share = rest @ way / (way @ way)
    return share if np.abs(rest - share * way).max() < 0.3 * np.abs(rest).max() else np.nan


def _partly_forgotten(received, expected):
    """Whether mean and variance keep the same share of the old statistics, or of a new layer's."""
    for starts in ((OLD_MEAN, OLD_VARIANCE), (0.0, 1.0)):
        mean, variance = (_share_left(*one) for one in zip(received[:2], expected[:2], starts, strict=True))
        if 0.002 < mean < 0.95 and np.isclose(mean, variance, rtol=0.3):
            return True
    return False
