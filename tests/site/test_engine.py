"""The playground's engine, run by node: the arithmetic of Keras, repeatable from a seed, and presets that hold."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest

from helpers import environment
from tests.environments.published import ROOT
from tools import playground

STATIC = ROOT / "docs" / "static" / "playground"
ROWS, FEATURES, WIDTH, DEPTH, CLASSES, RATE, STEPS = 20, 12, 9, 2, 4, 0.1, 100
WATCHED = (1, 10, 100)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """run(job, **input): what `engine.js` makes of it; skips where there is no node."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node found, which runs the playground's engine outside a browser; on Debian: apt-get install nodejs")
    data = tmp_path_factory.mktemp("playground") / "digits.js"
    playground.write_digits(data)
    files = [*(STATIC / f"{name}.js" for name in playground.ENGINE), data]

    def run(job, **content):
        command = [path, str(ROOT / "tests" / "site" / "engine.js"), job, *map(str, files)]
        answer = subprocess.run(command, input=json.dumps(content), capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return run


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
    model = keras.Model(inputs, layers.Dense(CLASSES)(x))
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
    """Losses, the trainable variables' gradients at the steps watched, all weights before and after."""
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
    return losses, gradients, before, model.get_weights()


def as_text(array, kind=np.float32):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()


def as_array(text, shape):
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


def differences(node, keras, normalization, activation, dropout, place, variant="keras"):
    """The largest difference from Keras over 100 steps: of losses, of gradients and of everything in `get_weights()`."""
    keras.utils.set_random_seed(3)
    model, batches = model_with_masks(keras, normalization, activation, dropout, place), made_batches(dropout)
    losses, gradients, before, after = train_in_keras(model, batches, dropout)
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


@pytest.mark.parametrize("variant", ["unbiased variance", "epsilon outside the root"])
def test_another_batchnorm_is_told_from_keras(node, keras, variant):
    found = differences(node, keras, "before", "tanh", 0, "after", variant)
    assert found["gradients"] > 1e-4
    assert found["weights"] > 1e-4


@pytest.mark.parametrize("name", ["sleeps", "rate", "twenty", "cold", "two", "dropout"])
def test_every_preset_ends_as_it_says_in_20_of_20_seeds(node, name):
    assert node("presets", seeds=list(range(1, 21)), only=name) == {name: []}
