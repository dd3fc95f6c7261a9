"""Exercise `train_step`."""

import numpy as np

from helpers.grading.comparing import Probe
from helpers.grading.keras_question import KerasQuestion, as_array, fixed_weights
from helpers.grading.observing import Remark
from helpers.grading.question import Misconception
from helpers.grading.sandbox import quote


def _train_step_with(*, training=True, apply=1, swapped=False, loss_after=None, extra="", no_gamma_beta=False):
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
    short = "stp"
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
            _train_step_with(training=False),
        ),
        Misconception(
            "The weights never change: the gradients are computed, but not applied. "
            "Call `optimizer.apply_gradients(zip(gradients, model.trainable_variables))`.",
            _train_step_with(apply=0),
        ),
        Misconception("The gradients are applied twice in each step. Once is enough.", _train_step_with(apply=2)),
        Misconception(
            "The arguments of the loss have changed places. Keras takes the truth first: `loss_fn(y, prediction)`.",
            _train_step_with(swapped=True),
        ),
        *(
            Misconception(
                "The loss that you return is computed again after the update. Return the one from inside the tape: "
                "it belongs to the weights with which the step began.",
                _train_step_with(loss_after=training),
            )
            for training in (False, True)
        ),
        Misconception(
            "Your step calls the model twice with `training=True`, so each batch moves the moving averages "
            "twice. Call it once.",
            _train_step_with(extra="before"),
        ),
        *(
            Misconception(
                "The averages move, but the gradient still flows through inference mode. "
                "Put `training=True` into the call inside the tape.",
                _train_step_with(training=False, extra=extra),
            )
            for extra in ("before", "after", "at the end")
        ),
        Misconception(
            "Gamma and beta are not trained. They belong to `model.trainable_variables` as well as kernels and biases.",
            _train_step_with(no_gamma_beta=True),
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
                say=_describe_step,
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
            weight.assign(fixed_weights(weight.name, weight.shape))
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
        np.concatenate([as_array(weight).ravel() for weight in weights])
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


def _describe_step(name, received, expected):
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
