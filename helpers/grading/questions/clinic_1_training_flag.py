"""Clinic case `clinic_1`: a training loop of one's own that never says `training=True`."""

from typing import ClassVar

import numpy as np

from helpers.grading.clinic_question import Cause, ClinicQuestion
from helpers.grading.comparing import Probe
from helpers.grading.keras_question import as_array, fixed_weights
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception


def _train_with(*, training=lambda step: True, warm=None, log=None, kernels_only=False):
    """A training loop with one thing wrong.

    training: step → the mode in which the gradient is computed. warm: when one more call moves the averages, "each"
    step or "before" all of them. log: the mode in which the loss to report is computed again, after the update.
    """

    def train_epoch(model, optimizer, loss_fn, batches):
        import tensorflow as tf

        losses = []
        if warm == "before":
            for x, _ in batches:
                model(x, training=True)
        for step, (x, y) in enumerate(batches):
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x, training=training(step)))
            variables = model.trainable_variables
            if kernels_only:
                variables = [variable for variable in variables if variable.name in ("kernel", "bias")]
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            if warm == "each":
                model(x, training=True)
            losses.append(float(loss if log is None else loss_fn(y, model(x, training=log))))
        return losses

    return train_epoch


class TrainingFlag(ClinicQuestion):
    id = "clinic_1"
    short = "cl1"
    title = "Case 1: averages that never move"
    notebook, heading = "05_training_and_inference", "Two modes"
    program = "train_epoch"
    wanted = "a function `train_epoch(model, optimizer, loss_fn, batches)`"
    hints = (
        "After 20 steps the moving mean is exactly 0. Which calls of a model move it at all?",
        "`fit` calls the model in training mode for you. In a loop of your own you say so: `model(x, training=True)`.",
    )
    try_first = "Call the model on one batch, once with `training=True`, and print its moving mean. Did it move?"
    explains = tuple(
        (part, "The model and the loss belong inside `with tf.GradientTape() as tape:`, or nothing is recorded.")
        for part in ("No gradients provided", "None values not supported")
    )
    causes: ClassVar[dict[str, Cause]] = {
        "a": Cause(
            "Momentum 0.99 is too slow for 20 steps",
            False,
            "even one step with momentum 0.99 moves the average by 1 % of the way. Exactly 0 and exactly 1 mean that "
            "it was never updated.",
        ),
        "b": Cause(
            "The moving averages are not trainable, so the optimiser leaves them out",
            False,
            "it is true that the optimiser leaves them out, and it always does: the forward pass moves them, "
            "in training mode.",
        ),
        "c": Cause(
            "Nobody tells the model that it is being trained, so BatchNorm runs in inference mode",
            True,
            "outside `fit` a call without `training=True` is inference: BatchNorm normalises with mean 0 and "
            "variance 1, and moves neither.",
        ),
        "d": Cause(
            "The learning rate is too small",
            False,
            "the learning rate decides how far kernels, gamma and beta move. The moving averages follow the batches "
            "at any learning rate.",
        ),
    }

    @staticmethod
    def reference(model, optimizer, loss_fn, batches):
        import tensorflow as tf

        losses = []
        for x, y in batches:
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(loss))
        return losses

    misconceptions = (
        Misconception(
            "The program still trains in inference mode: after any number of steps the moving mean is 0 and the moving "
            "variance 1. Look at how the loop calls the model.",
            _train_with(training=lambda step: False),
        ),
        *(
            Misconception(
                "The averages move now, but the gradient still flows through inference mode: an extra call does not "
                "change the call inside the tape. Say `training=True` there, and leave the extra call out.",
                _train_with(training=lambda step: False, warm=warm),
            )
            for warm in ("each", "before")
        ),
        Misconception(
            "Only the first batch is trained in training mode; from the second one on BatchNorm is back at its "
            "averages. Say `training=True` in every step.",
            _train_with(training=lambda step: step == 0),
        ),
        Misconception(
            "The first batch is still trained in inference mode. Say `training=True` in every step.",
            _train_with(training=lambda step: step > 0),
        ),
        Misconception(
            "Each batch moves the averages twice, because the model is called twice with `training=True`. "
            "The call inside the tape is enough.",
            _train_with(warm="each"),
        ),
        Misconception(
            "To report the loss, the model is called once more after the update. In training mode that call moves the "
            "averages a second time. Keep the loss from inside the tape.",
            _train_with(log=True),
        ),
        Misconception(
            "The reported losses come from another call, after the update and in inference mode. "
            "Keep the loss from inside the tape.",
            _train_with(log=False),
        ),
        Misconception(
            "Gamma and beta are no longer trained. Take the gradient for all of `model.trainable_variables`.",
            _train_with(kernels_only=True),
        ),
    )

    def probes(self, answer):
        return [
            Probe(
                "one epoch of four batches",
                outputs=("the moving averages", "the weights", "the losses"),
                tolerance=2e-3,
                call=_after_an_epoch,
                say=_describe_epoch,
                split=(
                    ("the moving averages follow the batches", 1),
                    ("the gradient flows through the batch statistics", 1.5),
                    ("the losses are those of the training steps", 0.5),
                ),
            )
        ]


def _after_an_epoch(train_epoch, given):
    import keras
    from keras import layers

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
            weight.assign(fixed_weights(weight.name, weight.shape))
    rng, batches = np.random.default_rng(5), []
    for shift in (1.0, -2.0, 3.0, 0.5):
        x = rng.normal(shift, 1.5, (8, 3)).astype(np.float32)
        batches.append((x, x[:, :1] - x[:, 1:2]))
    losses = train_epoch(model, keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(), batches)
    if losses is ...:
        return ...
    averages, weights = (
        np.concatenate([as_array(weight).ravel() for weight in group])
        for group in (model.non_trainable_weights, model.trainable_weights)
    )
    return averages, weights, _losses_in(losses)


def _losses_in(returned):
    """The losses that a loop returned, or the Remark about why they are none; what it did to the model still counts."""
    try:
        return np.array([float(loss) for loss in returned])
    except (TypeError, ValueError):
        return Remark("Your function should return the list of the losses, one number for each batch.")


def _describe_epoch(name, received, expected):
    if name == "the weights":
        difference = np.abs(received - expected).max() if received.shape == expected.shape else np.inf
        return (
            "After four steps of SGD on a small network the weights should be those of steps in training mode; "
            f"the largest difference of yours is `{difference:.3f}`."
        )
    got, right = (", ".join(f"{value:.3f}" for value in values[:4]) for values in (received, expected))
    what = "the moving mean" if name == "the moving averages" else "the list of losses"
    return f"After four batches {what} should be `[{right}]`; received `[{got}]`."
