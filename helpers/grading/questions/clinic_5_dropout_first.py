"""Clinic case `clinic_5`: Dropout in front of BatchNorm, the variance shift."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import as_array, fixed_weights, is_model
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote

STEPS = "dense norm relu dense norm relu dense"
BATCHES = 12


def _build_with(steps, rate=0.5):
    """The network of these steps: `dense` layers of 32, 16 and 1 units, `norm`, `relu` and `drop`."""

    def build_model():
        import keras

        units, layers = iter((32, 16, 1)), [keras.Input((8,))]
        for step in steps.split():
            layers.append(
                {
                    "dense": lambda: keras.layers.Dense(next(units)),
                    "norm": keras.layers.BatchNormalization,
                    "relu": keras.layers.ReLU,
                    "drop": lambda: keras.layers.Dropout(rate),
                }[step]()
            )
        return keras.Sequential(layers)

    return build_model


class DropoutFirst(ClinicQuestion):
    id = "clinic_5"
    short = "cl5"
    title = "Case 5: a variance that shrinks"
    notebook, heading = "06_batchnorm_vs_dropout", "Together, but in which order? The variance shift"
    program = "build_model"
    wanted = "a function `build_model()`"
    hints = (
        "Compare the variance of what enters each BatchNorm layer in training, where Dropout is at work, and at "
        "inference, where it is not.",
        "Put the Dropout behind the last BatchNorm layer, just before the output layer: then its noise reaches no "
        "moving average.",
    )
    try_first = (
        "Compute the variance of `Dropout(0.5)(x, training=True)` and of `Dropout(0.5)(x, training=False)` "
        "for normal x."
    )
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "The moving averages lag behind: momentum 0.99 is too slow",
            False,
            "the averages are warm, and they are right: for training. "
            "With any momentum they keep the variance that Dropout's noise gives.",
        ),
        "b": Cause(
            "Dropout is still at work when the model predicts",
            False,
            "`predict` and `evaluate` switch Dropout off, and that is the point: "
            "its noise is in the moving variance and no longer in the input.",
        ),
        "c": Cause(
            "Dropout raises the variance in training only, so the moving variance is too large at inference",
            True,
            "Dropout keeps the mean and raises the variance. BatchNorm stores that variance and divides by it at "
            "inference too, where the noise is gone.",
        ),
        "d": Cause(
            "The network overfits, so the Dropout rate has to be higher",
            False,
            "the variances were measured on the rows of training, so it is no matter of new rows. "
            "A higher rate makes them smaller still.",
        ),
    }

    @staticmethod
    def reference():
        import keras

        return keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(32),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Dense(16),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        )

    misconceptions = (
        Misconception(
            "The program still has Dropout in front of BatchNorm: both moving variances hold Dropout's noise, "
            "which is gone at inference.",
            _build_with("dense drop norm relu dense norm relu dense"),
        ),
        Misconception(
            "The Dropout is behind the first BatchNorm, and the second one still stands behind the Dropout: "
            "the noise goes through the Dense layer into its moving variance. Put it behind the last BatchNorm.",
            _build_with("dense norm relu drop dense norm relu dense"),
        ),
        Misconception(
            "The Dropout is in front of the second BatchNorm, whose moving variance still holds its noise. "
            "Put it behind the last BatchNorm.",
            _build_with("dense norm relu dense drop norm relu dense"),
        ),
        Misconception(
            "Dropout on the inputs is still in front of both BatchNorm layers, and its noise goes on through the "
            "Dense layers. Put it behind the last BatchNorm.",
            _build_with("drop dense norm relu dense norm relu dense"),
        ),
        Misconception(
            "Without Dropout there is no shift, and no Dropout either. Keep it, where it does no harm.",
            _build_with(STEPS),
        ),
        Misconception(
            "Without BatchNorm there is no shift, and no BatchNorm either. Keep both layers, and move the Dropout.",
            _build_with("dense relu dense relu drop dense"),
        ),
        Misconception(
            "A small rate makes the shift small, and the Dropout weak. Keep the rate 0.5, and move the layer.",
            _build_with("dense drop norm relu dense norm relu dense", 0.05),
        ),
        Misconception(
            "Dropout behind the output layer sets half of the predictions to 0 in training. "
            "Put it in front of the output layer.",
            _build_with(f"{STEPS} drop"),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                "the network after some batches",
                outputs=(
                    "how Dropout reaches each BatchNorm",
                    "the rates of Dropout",
                    "whether predictions are dropped",
                    "the output at inference",
                ),
                tolerance=2e-3,
                call=_shift,
                say=_describe_shift,
                split=(
                    ("both moving variances are those of inference too", 1.25),
                    ("there is one Dropout, with rate 0.5", 0.75),
                    ("Dropout leaves the predictions alone", 0.5),
                    ("the network is otherwise what it was", 0.5),
                ),
            )
        ]


def _shift(build, given):
    import keras

    keras.utils.set_random_seed(21)
    model = build()
    if model is ...:
        return ...
    if not is_model(model):
        raise Remark(f"Expected a Keras model; received a {quote(type(model).__name__, 40)}.")
    x = np.random.default_rng(4).normal(1, 2, (512, 8)).astype(np.float32)
    model(x[:2])  # a model without an Input has no weights before
    for weight in model.weights:
        if weight.name in ("kernel", "beta", "moving_mean", "moving_variance"):
            weight.assign(fixed_weights(weight.name, weight.shape))
    at_inference = as_array(model(x[:20], training=False))  # before the averages become those of the place of Dropout
    found = _all_layers(model)
    norms = [layer for layer in found if hasattr(layer, "moving_variance")]
    for count in range(BATCHES):
        for norm in norms:
            norm.momentum = count / (count + 1)  # the plain average of all batches
        noisy = as_array(model(x, training=True))
    noisy_inputs, inputs = (_inputs_of(norms, model, x, training=training) for training in (True, False))
    reached = [
        _reached(noisy_inputs[norm], inputs[norm].var(axis=0).mean(), as_array(norm.moving_variance).mean())
        for norm in norms
        if norm in inputs
    ]
    rates = [layer.rate for layer in found if "Dropout" in type(layer).__name__ and hasattr(layer, "rate")]
    return reached or [0], rates or [0.0], (noisy == 0).mean() > 0.3, at_inference


def _all_layers(model):
    return [one for layer in model.layers for one in (_all_layers(layer) if hasattr(layer, "layers") else [layer])]


def _reached(noisy, variance, moving_variance):
    """How Dropout changes the variance that a layer stores: 0 not, 1 through other layers, 2 from just in front."""
    if abs(np.log(variance / moving_variance)) < 0.03:
        return 0
    return 2 if (noisy == 0).mean() > 0.3 else 1


def _inputs_of(layers, model, x, *, training):
    """What each of the layers is called with, whichever way the model is built."""
    seen, calls = {}, {layer: layer.call for layer in layers}

    def recorder(layer):
        def call(inputs, *args, **options):
            seen[layer] = as_array(inputs)
            return calls[layer](inputs, *args, **options)

        return call

    for layer in layers:
        layer.call = recorder(layer)
    model(x, training=training)
    for layer in layers:
        layer.call = calls[layer]
    return seen


def _describe_shift(name, received, expected):
    if name == "the rates of Dropout":
        return (
            f"There should be one Dropout layer with rate `0.5`; received the rates `{_listed(received)}` (0 is none)."
        )
    if name == "whether predictions are dropped":
        return "In training, no prediction should be set to 0; in your network Dropout does that to half of them."
    if name == "how Dropout reaches each BatchNorm":
        if received.shape != expected.shape:
            return f"There should be `2` BatchNorm layers; received `{received.size if received.any() else 'fewer'}`."
        where = "both BatchNorm layers" if received.all() else f"BatchNorm layer {int(received.argmax()) + 1} of 2"
        return (
            f"After {BATCHES} batches the moving variance should be the variance of the layer's input at inference; "
            f"in {where} of yours the two differ by more than 3 %."
        )
    if received.shape != expected.shape:
        return f"For 20 rows the output should have shape `{expected.shape}`; received shape `{received.shape}`."
    return (
        "At inference, with the same weights, the first outputs should be "
        f"`{_listed(expected)}`; received `{_listed(received)}`. Move the Dropout, and leave the rest as it was."
    )


def _listed(values):
    return ", ".join(f"{value:.3g}" for value in np.ravel(values)[:4])
