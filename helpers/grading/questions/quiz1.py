"""The lesson's own question `quiz1`, with a reason for every option."""

from typing import ClassVar

from helpers.grading.question import Choice, ChoiceQuestion


class Quiz1(ChoiceQuestion):
    id = "quiz1"
    short = "qz1"
    title = "Quick quiz, Q1"
    text = "Does BatchNorm remove model flexibility?"
    section = "How normalization works"
    notebook, heading = "02_batchnorm_from_scratch", "Step 4: gamma and beta"
    hints = (
        "What would gamma and beta have to be to undo the normalisation?",
        "With gamma = the standard deviation and beta = the mean you get the input back.",
    )
    try_first = "In notebook 02, find the cell in which gamma and beta give the input back."
    options: ClassVar[dict[str, Choice]] = {
        "a": Choice(
            "No: gamma and beta can scale and shift the values back, so the network represents what it did before",
            True,
            True,
            "with gamma = the standard deviation and beta = the mean the layer gives its input back. At inference "
            "BatchNorm is a fixed scale and shift, which the plain network could represent as well.",
        ),
        "b": Choice(
            "Yes: every feature is forced to mean 0 and standard deviation 1",
            False,
            False,
            "x_hat has mean 0 and standard deviation 1, the output has not: `gamma * x_hat + beta` can have "
            "any mean and any "
            "standard deviation, and both are learned.",
        ),
        "c": Choice(
            "No: BatchNorm does nothing at inference",
            True,
            False,
            "“no” is right, the reason is not: at inference BatchNorm is a fixed scale and shift made from "
            "its moving averages. "
            "Flexibility stays because gamma and beta can undo the normalisation.",
        ),
        "d": Choice(
            "Yes: it makes the activations Gaussian",
            False,
            False,
            "it does not. It sets mean and variance of each feature, and the shape of the distribution stays "
            "as it was. "
            "Gamma and beta keep the flexibility.",
        ),
    }
