"""Clinic case `clinic_3`: channels-first images, normalised along their columns."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import as_array, is_model
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote

SHAPE = 3, 4, 5  # channels, rows, columns


def _front_end_with(*make):
    """A front end of the layers that `make` gives, from keras.layers."""

    def build_front_end():
        import keras

        steps = [one(keras.layers) for one in make]
        return keras.Sequential([keras.Input(SHAPE), *steps, keras.layers.Activation("relu")])

    return build_front_end


class ChannelsFirst(ClinicQuestion):
    id = "clinic_3"
    short = "cl3"
    title = "Case 3: channels that stay apart"
    notebook, heading = "02_batchnorm_from_scratch", "Images and channels: any rank"
    program = "build_front_end"
    wanted = "a function `build_front_end()`"
    hints = (
        "Gamma has one entry for each feature. Why are there 5 entries, and what has the size 5 in an image?",
        "`axis` names the axis of the features, the one that is kept. In (batch, channels, rows, columns) the "
        "channels are axis 1.",
    )
    try_first = "Print `gamma.shape` of the BatchNormalization layer for `axis=-1`, `axis=2` and `axis=1`."
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "The batch is too small for channels whose units are so different",
            False,
            "each channel has rows · columns numbers of every image, plenty for a mean and a variance. "
            "And the shape of gamma does not depend on the batch.",
        ),
        "b": Cause(
            "BatchNorm takes the last axis for the features, and here that axis holds the columns",
            True,
            "by default `axis=-1`: every column gets a mean over all channels, so the channels stay as far apart as "
            "they were. That is why gamma has 5 entries.",
        ),
        "c": Cause(
            "Gamma and beta have to be trained first; they will bring the channels together",
            False,
            "gamma and beta begin at 1 and 0, and normalising is done before them. With one gamma for each column they "
            "cannot even tell the channels apart.",
        ),
        "d": Cause(
            "BatchNorm expects inputs between 0 and 1",
            False,
            "BatchNorm takes any scale, for it subtracts the mean and divides by the standard deviation. "
            "It has to do so for each channel.",
        ),
    }

    @staticmethod
    def reference():
        import keras

        return keras.Sequential(
            [
                keras.Input((3, 4, 5)),
                keras.layers.BatchNormalization(axis=1),
                keras.layers.Activation("relu"),
            ]
        )

    misconceptions = (
        Misconception(
            "The program still normalises the columns: gamma has one entry for each of the 5 columns, and the channels "
            "stay apart. Which axis holds the channels?",
            _front_end_with(lambda layers: layers.BatchNormalization()),
        ),
        Misconception(
            "Now the rows are normalised, because axis 2 holds the rows. Count from 0: batch, channels, rows, columns.",
            _front_end_with(lambda layers: layers.BatchNormalization(axis=2)),
        ),
        Misconception(
            "LayerNormalization takes the statistics of each image for itself, so an image no longer tells whether it "
            "is warmer than another one. Keep BatchNormalization, and tell it where the channels are.",
            _front_end_with(lambda layers: layers.LayerNormalization(axis=[1, 2, 3])),
        ),
        Misconception(
            "That is instance normalisation: each channel of each image for itself, so what differs between images is "
            "lost. Keep BatchNormalization, and tell it where the channels are.",
            _front_end_with(lambda layers: layers.GroupNormalization(3, axis=1)),
        ),
        Misconception(
            "Flattened, each of the 60 pixels is a feature with a mean of its own. A channel should have one mean over "
            "all its pixels.",
            _front_end_with(
                lambda layers: layers.Flatten(),
                lambda layers: layers.BatchNormalization(),
                lambda layers: layers.Reshape(SHAPE),
            ),
        ),
        Misconception(
            "Reshape does not move the channels to the end, it only cuts the same row of numbers into other pieces, so "
            "that channels are mixed. `Permute` moves an axis, and `axis=1` needs no move at all.",
            _front_end_with(
                lambda layers: layers.Reshape((4, 5, 3)),
                lambda layers: layers.BatchNormalization(),
                lambda layers: layers.Reshape(SHAPE),
            ),
        ),
        Misconception(
            "The channels are at the end now, and they stay there. What comes behind expects "
            "(batch, channels, rows, columns): move them back with `Permute((3, 1, 2))`, or use `axis=1`.",
            _front_end_with(
                lambda layers: layers.Permute((2, 3, 1)),
                lambda layers: layers.BatchNormalization(),
            ),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                "a batch of six images",
                outputs=("the output in training", "the output at inference", "the number of gammas and betas"),
                tolerance=2e-3,
                call=_outputs,
                say=_describe_outputs,
                split=(
                    ("in training every channel gets mean 0 and variance 1", 1.5),
                    ("at inference every channel is normalised by its own averages", 1),
                    ("one gamma and one beta for each channel", 0.5),
                ),
            )
        ]


def _images():
    """Images whose channels are far apart, and of which each is a little warmer or colder than the others."""
    rng = np.random.default_rng(6)
    means, spreads = np.array([15.0, 1000.0, 0.3]), np.array([8.0, 20.0, 0.2])
    pixels = rng.normal(size=(6, *SHAPE)) + rng.normal(size=(6, 3, 1, 1)) + np.linspace(-1, 1, 4)[:, None]
    return (means[:, None, None] + spreads[:, None, None] * pixels).astype(np.float32)


def _outputs(build, given):
    model, x = build(), _images()
    if model is ...:
        return ...
    if not is_model(model):
        raise Remark(f"Expected a Keras model; received a {quote(type(model).__name__, 40)}.")
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.5
    in_training = as_array(model(x, training=True))
    at_inference = as_array(model(x, training=False))
    return in_training, at_inference, sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _describe_outputs(name, received, expected):
    if name == "the number of gammas and betas":
        return f"With 3 channels there should be `{int(expected)}` gammas and betas; received `{int(received)}`."
    if received.shape != expected.shape:
        return f"{name[0].upper()}{name[1:]} should have shape `{expected.shape}`; received `{received.shape}`."
    got, right = (", ".join(f"{value:.2f}" for value in values.mean(axis=(0, 2, 3))) for values in (received, expected))
    index = np.unravel_index(np.abs(received - expected).argmax(), expected.shape)
    return (
        f"In {name} the means of the 3 channels (behind relu) should be `[{right}]`; received `[{got}]`. "
        f"One pixel should be `{expected[index]:.3f}`; received `{received[index]:.3f}`."
    )
