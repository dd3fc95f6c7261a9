"""The playground's engine, run by node: the arithmetic of Keras, the course's data, addresses."""

import base64

import numpy as np
import pytest

from helpers import data, environment, playground
from tests.environments.published import ROOT

STATIC = ROOT / "docs" / "static" / "playground"
ROWS, FEATURES, WIDTH, DEPTH, CLASSES, RATE, STEPS = 20, 12, 9, 2, 4, 0.1, 100
WATCHED = (1, 10, 100)


@pytest.fixture(scope="module")
def keras():
    environment.quiet_tensorflow()
    import keras

    return keras


def model_with_masks(keras, normalization, activation, dropout, place):
    """The network in Keras; each Dropout multiplies by an input of its own, so that its masks can be given."""
    layers = keras.layers
    inputs = [keras.Input((FEATURES,))]

    def masked(x):
        if not dropout:
            return x
        inputs.append(keras.Input((WIDTH,)))
        return layers.Multiply()([x, inputs[-1]])

    x = inputs[0]
    for _ in range(DEPTH):
        x = layers.Dense(WIDTH, use_bias=normalization != "before" or bool(dropout and place == "before"))(x)
        if place == "before" and normalization != "after":
            x = masked(x)
        if normalization == "before":
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation(activation)(x)
        if place == "before" and normalization == "after":
            x = masked(x)
        if normalization == "after":
            x = layers.BatchNormalization(momentum=0.9)(x)
        if place == "after":
            x = masked(x)
    model = keras.Model(inputs if dropout else inputs[0], layers.Dense(CLASSES)(x))
    model.compile(keras.optimizers.SGD(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def made_batches(dropout):
    """A list of (x, y, masks of 0 and 1): inputs that can be told apart, and of odd scale and mean."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(CLASSES, FEATURES))
    batches = []
    for _ in range(STEPS):
        y = random.integers(CLASSES, size=ROWS)
        x = (0.3 + centres[y] + 0.7 * random.normal(size=(ROWS, FEATURES))).astype(np.float32)
        masks = [random.random((ROWS, WIDTH)) >= dropout for _ in range(DEPTH if dropout else 0)]
        batches.append((x, y, masks))
    return batches


def train_in_keras(model, batches, dropout):
    """Losses, the trainable variables' gradients at the steps watched, all weights before and after, and the logits of
    the last batch at inference with both kinds of statistics.
    """
    before = model.get_weights()
    losses, gradients = [], {}
    for step, (x, y, masks) in enumerate(batches, 1):
        kept = [variable.numpy() for variable in model.trainable_variables] if step in WATCHED else None
        scaled = [(mask / (1 - dropout)).astype(np.float32) for mask in masks]
        losses.append(float(model.train_on_batch([x, *scaled] if scaled else x, y)))
        model.reset_metrics()
        if kept:  # with SGD a step is the gradient times the rate
            gradients[step] = [
                (old - new.numpy()) / RATE for old, new in zip(kept, model.trainable_variables, strict=True)
            ]
    after = model.get_weights()
    x = batches[-1][0]
    kept = [np.ones((ROWS, WIDTH), np.float32)] * len(batches[-1][2])
    inputs = [x, *kept] if kept else x
    logits = {"moving": model(inputs).numpy()}
    for layer in model.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.0  # its moving statistics become those of the next call's batch
    model(inputs, training=True)
    logits["recomputed"] = model(inputs).numpy()
    return losses, gradients, before, after, logits


def as_text(array, kind=np.float32):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()


def as_array(text, shape):
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


def differences(node, keras, normalization, activation, dropout, place, variant="keras"):
    """The largest differences from Keras over 100 steps: of losses, gradients, logits and all of `get_weights()`."""
    keras.utils.set_random_seed(3)
    model, batches = model_with_masks(keras, normalization, activation, dropout, place), made_batches(dropout)
    losses, gradients, before, after, logits = train_in_keras(model, batches, dropout)
    settings = {
        "depth": DEPTH, "width": WIDTH, "activation": activation, "initializer": "glorot", "std": 1, "momentum": 0.9,
        "dropout": dropout, "place": place, "seed": 1, "features": FEATURES, "classes": CLASSES,
    }  # fmt: skip
    sent = [
        {"x": as_text(x), "y": as_text(y, np.uint8), "masks": [as_text(mask, np.uint8) for mask in masks]}
        for x, y, masks in batches
    ]
    found = node(
        "train", settings=settings, normalization=normalization, variant=variant, weights=[as_text(w) for w in before],
        batches=sent, rate=RATE, rows=ROWS, watched=WATCHED,
    )  # fmt: skip
    assert len(found["weights"]) == len(after)
    assert losses[-1] < losses[0] - 0.1, "a network that does not learn compares nothing"

    def largest(ours, theirs):
        return max(
            float(np.abs(as_array(one, other.shape) - other).max()) for one, other in zip(ours, theirs, strict=True)
        )

    return {
        "loss": float(np.abs(np.subtract(found["losses"], losses)).max()),
        "gradients": max(largest(found["gradients"][str(step)], gradients[step]) for step in WATCHED),
        "weights": largest(found["weights"], after),
        "logits": max(largest([found["logits"][name]], [logits[name]]) for name in logits),
    }


@pytest.mark.parametrize(("dropout", "place"), [(0, "after"), (0.4, "after"), (0.4, "before")])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("normalization", ["none", "before", "after"])
def test_it_is_keras(node, keras, normalization, activation, dropout, place):
    found = differences(node, keras, normalization, activation, dropout, place)
    print(found)  # shown with -rP
    assert found["loss"] < 1e-3
    assert found["gradients"] < 1e-4
    assert found["weights"] < 1e-4
    assert found["logits"] < 1e-3


@pytest.mark.parametrize("variant", ["unbiased variance", "epsilon outside the root"])
def test_another_batchnorm_is_told_from_keras(node, keras, variant):
    found = differences(node, keras, "before", "tanh", 0, "after", variant)
    assert found["gradients"] > 1e-4
    assert found["weights"] > 1e-4


def test_the_digits_are_the_course_s(node):
    digits, found = data.load("digits"), node("digits")
    assert np.abs(as_array(found["xTrain"], digits.x_train.shape) - digits.x_train).max() < 1e-6
    assert np.abs(as_array(found["xTest"], digits.x_test.shape) - digits.x_test).max() < 1e-6
    assert found["yTrain"] == digits.y_train.tolist()
    assert found["yTest"] == digits.y_test.tolist()


@pytest.mark.parametrize(
    ("initializer", "std", "expected"),
    [("glorot", 9, (2 / (64 + 100)) ** 0.5), ("he", 9, (2 / 64) ** 0.5), ("normal", 0.3, 0.3)],
)
def test_both_copies_start_from_the_same_weights(node, initializer, std, expected):
    found = {name: as_array(text, -1) for name, text in node("kernels", initializer=initializer, std=std).items()}
    assert np.array_equal(found["plain"], found["normalized"])
    assert abs(np.corrcoef(found["plain"], found["another"])[0, 1]) < 0.05
    assert np.std(found["plain"]) == pytest.approx(expected, rel=0.03)
    assert abs(np.mean(found["plain"])) < 0.05 * expected


def test_an_address_gives_back_what_it_was_made_of(node):
    asked = (
        "#rate=3&depth=5&width=48&batch=60&momentum=0.9&dropout=0.5&activation=tanh&initializer=he&std=1&order=after"
    )
    found = node("address", text=f"{asked}&place=last&seed=7")
    assert found["complaints"] == []
    assert found["address"] == f"{asked}&place=last&seed=7"


@pytest.mark.parametrize(
    ("asked", "name", "value", "words"),
    [
        ("rate=1000", "rate", 10, "rate cannot be 1000: it is 10"),
        ("depth=-3", "depth", 1, "depth cannot be -3"),
        ("depth=2.4", "depth", 2, "depth cannot be 2.4"),
        ("rate=NaN", "rate", 0.1, "“NaN” is not a number"),
        ("batch=", "batch", 60, "“” is not a number"),
        ("seed=0", "seed", 1, "seed cannot be 0"),
        ("seed=1e9", "seed", 9999, "seed cannot be 1e9"),
        ("activation=swish", "activation", "relu", "“swish” is not one of relu, tanh, sigmoid"),
        ("activation=constructor", "activation", "relu", "“constructor” is not one of"),
        ("widht=3", "width", 48, "There is no setting “widht”"),
        ("__proto__=3", "width", 48, "There is no setting “__proto__”"),
    ],
)
def test_what_an_address_cannot_have_is_said(node, asked, name, value, words):
    found = node("address", text=f"#{asked}")
    assert found["settings"][name] == value
    assert len(found["complaints"]) == 1
    assert words in found["complaints"][0]


def test_files_are_small():
    assert len(playground.digits_script()) < 115 * 1024
    assert all(path.stat().st_size < 20_000 for path in STATIC.iterdir() if path.name != "digits.js")
