"""Exercise `transfer`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.keras_question import KerasQuestion, as_array, is_model, normalization_layers
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote

FEATURES, OLD_CLASSES, CLASSES, ENOUGH = 6, 4, 3, 0.8


def _head_on(body, classes=CLASSES):
    import keras

    return keras.Sequential([keras.Input((FEATURES,)), body, keras.layers.Dense(classes)])


def _train(model, x, y, steps=30):
    """Compile and train with the whole data in each step; in one epoch, which costs less than thirty."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss=loss, jit_compile=False)
    if steps:
        model.fit(np.tile(x, (steps, 1)), np.tile(y, steps), batch_size=len(x), shuffle=False, verbose=0)
    return model


def _body_of(model):
    import keras

    return keras.Model(model.inputs, model.layers[-2].output)


def _transfer_with(freeze, *, steps=30, classes=CLASSES):
    """A new head on the body, with another way to freeze: of the body's layers."""

    def transfer(model, x, y):
        body = _body_of(model)
        freeze(body)
        return _train(_head_on(body, classes), x, y, steps)

    return transfer


def _freeze_kernels(body):
    for layer in body.layers:
        layer.trainable = not hasattr(layer, "kernel")


def _freeze_all(body):
    body.trainable = False


def _freeze_by_momentum(body):
    for layer in body.layers:
        layer.trainable = hasattr(layer, "moving_mean")
        if layer.trainable:
            layer.momentum, layer.gamma.trainable, layer.beta.trainable = 1.0, False, False


def _train_old_head(model, x, y):
    for layer in model.layers[:-1]:
        layer.trainable = False
    return _train(model, x, y)


def _train_old_model(model, x, y):
    return _train(model, x, y)


def _head_on_scores(model, x, y):
    model.trainable = False
    return _train(_head_on(model), x, y)


def _new_body(model, x, y):
    import keras

    body = keras.models.clone_model(_body_of(model))
    body.trainable = False
    return _train(_head_on(body), x, y)


def _all_frozen(model, x, y):
    new = _head_on(_body_of(model))
    new.trainable = False
    return _train(new, x, y)


class Transfer(KerasQuestion):
    id = "transfer"
    short = "trf"
    title = "A trained network for new classes"
    points = 6
    section = "Images and other normalisations"
    notebook, heading = "05_training_and_inference", "Freezing, and the compile-again trap"
    wanted = "a function `transfer(model, x, y)`"
    hints = (
        "The body is the model without its last layer. What does `body.trainable = False` do to a Dense layer, and "
        "what to a BatchNormalization?",
        "`body = keras.Model(model.inputs, model.layers[-2].output)`, then `body.trainable = False`, then a new model "
        "of the body and a new Dense layer: compile, fit, return it.",
    )
    try_first = "Print the body's moving means before and after your `fit`. Did they move?"

    @staticmethod
    def reference(model, x, y):
        import keras

        body = keras.Model(model.inputs, model.layers[-2].output)
        body.trainable = False  # kernels stay, and Batch Normalization is in inference mode
        new = keras.Sequential([keras.Input(x.shape[1:]), body, keras.layers.Dense(len(np.unique(y)))])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        new.compile(optimizer=keras.optimizers.Adam(0.1), loss=loss, jit_compile=False)
        new.fit(x, y, epochs=30, verbose=0)
        return new

    misconceptions = (
        Misconception(
            "Batch Normalization is in training mode, because only layers with a kernel are frozen: its averages, "
            "gamma and beta follow the new data. Freeze the whole body: `body.trainable = False`.",
            _transfer_with(_freeze_kernels),
        ),
        Misconception(
            "Nothing of the body is frozen, so with few new examples the old features are lost. Set "
            "`body.trainable = False` before you compile.",
            _transfer_with(lambda body: None),
        ),
        Misconception(
            "The body of your model is new: `clone_model` copies the layers and gives them new initial weights. Use "
            "the trained layers themselves, or copy their weights too.",
            _new_body,
        ),
        Misconception(
            "With momentum 1 the averages stay, but in `fit` Batch Normalization still normalises with each batch. "
            "Inference mode is `trainable = False`.",
            _transfer_with(_freeze_by_momentum),
        ),
        Misconception(
            "You trained the old output layer for the new classes, so the old network is lost, and its outputs are "
            "as many as there were old classes. Put a new Dense layer on the body.",
            _train_old_head,
        ),
        Misconception(
            "You trained the old network on the new classes: body, Batch Normalization and output layer. Freeze the "
            "body and put a new Dense layer on it.",
            _train_old_model,
        ),
        Misconception(
            "Your new layer stands on the scores of the old classes. They say little about new ones: take the output "
            "of the layer before, `model.layers[-2].output`.",
            _head_on_scores,
        ),
        Misconception(
            "The new layer was not trained: after your function it still answers by chance. Call `fit`.",
            _transfer_with(_freeze_all, steps=0),
        ),
        Misconception(
            "The new layer is frozen together with the body, so `fit` changes nothing. Freeze the body alone.",
            _all_frozen,
        ),
        Misconception(
            "Your new layer has one output. Classes need an output each: as many as there are labels in y.",
            _transfer_with(_freeze_all, classes=1, steps=0),
        ),
    )

    def probes(self, answer):
        outputs = (
            "which weights of the body changed",
            "which moving averages changed",
            "whether training=True gives other scores",
            "the shape of the new kernel",
            "whether enough examples are named right",
            "whether the old network changed",
            "whether the new layer can be trained",
        )
        return [
            Probe(
                "a small trained network and three new classes",
                outputs=outputs,
                tolerance=1e-6,
                call=_observe_transfer,
                say=_describe_transfer,
                split=(
                    ("kernels, gamma and beta of the body stay", 1),
                    ("the moving averages stay", 1.5),
                    ("Batch Normalization is in inference mode, in training too", 1),
                    ("a new layer stands on the body's features", 1),
                    ("the new layer has learned", 1),
                    ("the old network still gives its answers", 0.5),
                    ("the new layer can be trained on", 0.5),
                ),
            )
        ]


def _trained_network():
    """A small network with weights as if trained: moving averages that fit none of the new data."""
    import keras

    keras.utils.set_random_seed(5)
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(16),
            norm,
            keras.layers.Activation("relu"),
            keras.layers.Dense(OLD_CLASSES),
        ]
    )
    rng = np.random.default_rng(6)
    norm.moving_mean.assign(rng.normal(0, 0.5, 16))
    norm.moving_variance.assign(rng.uniform(0.5, 3, 16))
    norm.gamma.assign(rng.uniform(0.5, 1.5, 16))
    return model


def _new_examples():
    rng = np.random.default_rng(7)
    y = np.arange(24) % CLASSES
    centres = 3 * np.eye(CLASSES, FEATURES)
    return (centres[y] + rng.normal(0, 0.4, (24, FEATURES))).astype(np.float32), y.astype(np.int32)


def _observe_transfer(transfer, given):
    """What a transfer does to a small network, step by step."""
    model, (x, y) = _trained_network(), _new_examples()
    before = {name: [as_array(one) for one in weights] for name, weights in _parts_of_body(model).items()}
    old_scores = np.asarray(model(x))
    new = transfer(model, x.copy(), y.copy())
    if new is ...:
        return ...
    if not is_model(new):
        raise Remark(f"Your function should return the new model; received a {quote(type(new).__name__, 40)}.")
    found = [as_array(one) for one in new.weights]
    changed = {
        name: [not any(one.shape == old.shape and np.abs(one - old).max() < 1e-6 for one in found) for old in weights]
        for name, weights in before.items()
    }
    at_inference = np.asarray(new(x))
    kernels = [one for one in new.trainable_weights if one.name == "kernel"]
    last = [one for one in new.weights if one.name == "kernel"][-1]
    learned = at_inference.shape[-1] == CLASSES and np.mean(at_inference.argmax(axis=-1) == y) >= ENOUGH
    return (
        changed["weights"],
        changed["averages"],
        np.abs(np.asarray(new(x, training=True)) - at_inference).max() > 1e-5,
        last.shape,
        learned,
        np.abs(np.asarray(model(x)) - old_scores).max() > 1e-5,
        any(one is last for one in kernels),
    )


def _parts_of_body(model):
    (norm,) = normalization_layers(model)
    return {
        "weights": [*model.layers[0].weights, norm.gamma, norm.beta],
        "averages": [norm.moving_mean, norm.moving_variance],
    }


def _describe_transfer(name, received, expected):
    if name == "which weights of the body changed":
        names = np.array(["the kernel", "the bias", "gamma", "beta"])
        return f"In the model that you return, {' and '.join(names[received.astype(bool)])} of the body changed."
    if name == "which moving averages changed":
        names = np.array(["moving mean", "moving variance"])
        return f"In the model that you return, the {' and the '.join(names[received.astype(bool)])} changed."
    if name == "whether training=True gives other scores":
        return (
            "With `training=True` your model gives other scores, so Batch Normalization uses each batch's statistics."
        )
    if name == "the shape of the new kernel":
        return (
            f"The last kernel should have shape `{_shape(expected)}`, the body's features times the new classes; "
            f"received `{_shape(received)}`."
        )
    if name == "whether enough examples are named right":
        return f"Your model should name at least {ENOUGH:.0%} of the examples in x right, and it does not."
    if name == "whether the old network changed":
        return "The old network, called as before, gives other scores after your function."
    return "The kernel of the last layer is not trainable."


def _shape(values):
    return tuple(int(value) for value in np.ravel(values))
