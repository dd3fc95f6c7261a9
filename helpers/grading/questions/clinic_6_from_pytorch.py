"""Clinic case `clinic_6`: weights brought over from PyTorch, and two constants that were not."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import as_array, is_model
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote


def _to_keras_with(*, norm=lambda state: state, **constants):
    """The translation with these constants of BatchNorm, and with what `norm` makes of its four vectors."""

    def to_keras(state):
        import keras

        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(4),
                keras.layers.BatchNormalization(**constants),
                keras.layers.ReLU(),
                keras.layers.Dense(2),
            ]
        )
        first, batchnorm, _, last = model.layers
        first.set_weights([state["0.weight"].T, state["0.bias"]])
        names = ("1.weight", "1.bias", "1.running_mean", "1.running_var")
        batchnorm.set_weights(norm([state[name] for name in names]))
        last.set_weights([state["3.weight"].T, state["3.bias"]])
        return model

    return to_keras


def _with_epsilon_added(vectors):
    gamma, beta, mean, variance = vectors
    return [gamma, beta, mean, variance + 1e-5]


def _biased(vectors):
    gamma, beta, mean, variance = vectors
    return [gamma, beta, mean, variance * 31 / 32]


def _root(vectors):
    gamma, beta, mean, variance = vectors
    return [gamma, beta, mean, np.sqrt(variance)]


class FromPyTorch(ClinicQuestion):
    id = "clinic_6"
    short = "cl6"
    title = "Case 6: nearly the same outputs"
    notebook, heading = "02_batchnorm_from_scratch", "Step 5: moving statistics"
    program = "to_keras"
    wanted = "a function `to_keras(state)`"
    hints = (
        "Only units with a small variance differ. What is added to the variance, and how much is it in either library?",
        "PyTorch: epsilon 1e-5, and momentum 0.1 is the weight of the new batch. Keras: epsilon 1e-3 unless you say "
        "otherwise, and momentum is the weight of the old value.",
    )
    try_first = (
        "Compute `1 / np.sqrt(variance + 1e-3)` and `1 / np.sqrt(variance + 1e-5)` for the variances of the printout."
    )
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "The two libraries round float32 differently",
            False,
            "rounding makes relative differences near 1e-7, for large and for small variances. "
            "Here x_hat of one unit is half of what it should be.",
        ),
        "b": Cause(
            "PyTorch's running variance is unbiased, so it has to be multiplied by (N − 1) / N",
            False,
            "PyTorch does store the unbiased variance, and at inference it divides by the root of exactly that number. "
            "Keras has to do the same.",
        ),
        "c": Cause(
            "BatchNorm's gamma and running variance have changed places",
            False,
            "then every unit would be wrong. Here units with a large variance agree to three digits.",
        ),
        "d": Cause(
            "Two constants are wrong: epsilon is larger than PyTorch's, and momentum weighs the old value in Keras",
            True,
            "Keras adds 1e-3 where PyTorch adds 1e-5, which matters where the variance is small. And momentum is the "
            "weight of the new value in PyTorch and of the old one in Keras: 0.1 there is 0.9 here, which matters as "
            "soon as you train on.",
        ),
    }

    @staticmethod
    def reference(state):
        import keras

        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(4),
                keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
                keras.layers.ReLU(),
                keras.layers.Dense(2),
            ]
        )
        dense, norm, _, last = model.layers
        dense.set_weights([state["0.weight"].T, state["0.bias"]])
        norm.set_weights([state[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")])
        last.set_weights([state["3.weight"].T, state["3.bias"]])
        return model

    misconceptions = (
        Misconception(
            "The program still has Keras' epsilon 1e-3 and PyTorch's momentum 0.1. "
            "Which of the two libraries was the network trained in?",
            _to_keras_with(momentum=0.1),
        ),
        Misconception(
            "Epsilon is right now. But the momentum is still written as PyTorch does, so in Keras a single new batch "
            "counts 90 %: 0.1 there is 0.9 here.",
            _to_keras_with(momentum=0.1, epsilon=1e-5),
        ),
        Misconception(
            "The momentum is right now. But epsilon is still Keras' own 1e-3; PyTorch's is 1e-5.",
            _to_keras_with(momentum=0.9),
        ),
        Misconception(
            "Epsilon is right now. But without `momentum` Keras takes 0.99, and PyTorch's 0.1 is Keras' 0.9.",
            _to_keras_with(epsilon=1e-5),
        ),
        Misconception(
            "Both constants are now Keras' own. The network was trained with PyTorch's: set them in Keras' spelling.",
            _to_keras_with(),
        ),
        Misconception(
            "PyTorch's epsilon is added to the variance by hand, and Keras adds its own 1e-3 besides. "
            "Leave the variance alone, and set `epsilon`.",
            _to_keras_with(momentum=0.9, norm=_with_epsilon_added),
        ),
        Misconception(
            "The running variance is multiplied by (N − 1) / N. PyTorch divides by it as it is stored, so copy it "
            "unchanged.",
            _to_keras_with(momentum=0.9, epsilon=1e-5, norm=_biased),
        ),
        Misconception(
            "Keras stores the variance, as PyTorch does: no root is taken of `running_var`.",
            _to_keras_with(momentum=0.9, epsilon=1e-5, norm=_root),
        ),
        Misconception(
            "Epsilon 0 is as wrong as 1e-3, on the other side: PyTorch adds 1e-5.",
            _to_keras_with(momentum=0.9, epsilon=0.0),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                "a network whose variances are small",
                outputs=("the output at inference", "the output in training", "the moving averages"),
                tolerance=(2e-4, 2e-4, 1e-4),
                call=_translated,
                say=_describe_translation,
                split=(
                    ("at inference the outputs are those of PyTorch", 1.5),
                    ("in training the outputs are those of PyTorch", 0.5),
                    ("training on moves the averages as in PyTorch", 1),
                ),
            )
        ]


def _state():
    """What `state_dict()` gives, as NumPy arrays: Linear, BatchNorm1d, ReLU, Linear."""
    rng = np.random.default_rng(12)
    state = {
        "0.weight": rng.normal(size=(4, 3)) * np.array([[1.0], [0.01], [0.03], [0.3]]),
        "0.bias": rng.normal(size=4),
        "1.weight": np.array([1.2, 0.8, 1.5, 0.7]),
        "1.bias": np.array([0.3, 0.6, 0.9, 0.2]),
        "1.running_mean": rng.normal(size=4),
        "1.running_var": np.array([3.0, 3e-4, 2e-3, 0.4]),
        "3.weight": rng.normal(size=(2, 4)),
        "3.bias": rng.normal(size=2),
    }
    state["1.running_mean"] = state["0.bias"] + np.array([0.4, 0.004, -0.02, 0.1])
    return {name: value.astype(np.float32) for name, value in state.items()}


def _translated(to_keras, given):
    model = to_keras(_state())
    if model is ...:
        return ...
    if not is_model(model):
        raise Remark(f"Expected a Keras model; received a {quote(type(model).__name__, 40)}.")
    x = np.random.default_rng(7).normal(size=(16, 3)).astype(np.float32)
    at_inference = as_array(model(x, training=False))
    in_training = as_array(model(x, training=True))
    moving = [as_array(weight).ravel() for weight in model.weights if weight.name.startswith("moving_")]
    return at_inference, in_training, np.concatenate(moving) if moving else np.zeros(0)


def _describe_translation(name, received, expected):
    if received.shape != expected.shape:
        return f"{name[0].upper()}{name[1:]} should have shape `{expected.shape}`; received `{received.shape}`."
    at = np.abs(received - expected).reshape(len(expected), -1).max(axis=1).argmax()
    got, right = (", ".join(f"{value:.4g}" for value in np.ravel(values[at])) for values in (received, expected))
    if name == "the moving averages":
        which = f"the moving {'mean' if at < 4 else 'variance'} of unit {at % 4}"
        return f"After one more batch {which} should be `{right}`, as in PyTorch; received `{got}`."
    return f"For row {at} of the probe, {name} should be `[{right}]`, as in PyTorch; received `[{got}]`."
