"""The lesson's own question `ex1`, with a reason for every option."""

from typing import ClassVar

from helpers.grading.question import Choice, ChoiceQuestion


class Exercise1(ChoiceQuestion):
    id = "ex1"
    short = "ex1"
    title = "Exercise 1"
    text = "What problem does Batch Normalization primarily solve?"
    section = "The core problem"
    notebook, heading = "01_internal_covariate_shift", "The story"
    hints = (
        "Look again at the first figure of notebook 01: what does BatchNorm keep steady while the network trains?",
        "Two options are credited: the problem that the lesson names, and the effect that experiments confirm. "
        "Neither is about test data.",
    )
    try_first = "Say in one sentence what goes wrong in a deep network without BatchNorm: in training, or on new data?"
    options: ClassVar[dict[str, Choice]] = {
        "a": Choice(
            "Overfitting: it keeps the network from memorising the training data",
            False,
            False,
            "that is not what it is for. The noise of small batches regularises a little, and on small or noisy data "
            "the effect can be nothing or worse than nothing. Notebook 06 measures it.",
        ),
        "b": Choice(
            "Internal covariate shift: later layers get inputs whose distribution keeps changing",
            True,
            True,
            "this is the lesson's answer, and the reason for which BatchNorm was invented in 2015. Whether it "
            "is also why "
            "BatchNorm works is contested: networks with more shift, made on purpose, still train fast. "
            "What everyone finds is that training gets easier and more stable (option c).",
        ),
        "c": Choice(
            "Difficult optimisation: training that is slow, unstable and only works with small learning rates",
            True,
            True,
            "this is what experiments support best: faster and more stable training, and higher learning rates. "
            "The lesson names the cause it was meant to cure, internal covariate shift (option b).",
        ),
        "d": Choice(
            "Too many parameters: it makes the network smaller",
            False,
            False,
            "BatchNorm adds parameters: a gamma and a beta for each feature, and two moving averages.",
        ),
    }
