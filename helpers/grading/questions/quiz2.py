"""The lesson's own question `quiz2`, with a reason for every option."""

from typing import ClassVar

from helpers.grading.question import Choice, ChoiceQuestion


class Quiz2(ChoiceQuestion):
    id = "quiz2"
    short = "qz2"
    title = "Quick quiz, Q2"
    text = "Can BatchNorm replace Dropout?"
    section = "BatchNorm vs Dropout"
    notebook, heading = "06_batchnorm_vs_dropout", "Four networks, four cases"
    hints = (
        "The lesson: “They solve different problems and are often used together in deep networks.”",
        "In notebook 06 compare BatchNorm alone with both together, where there is little data and the labels "
        "are noisy: does Dropout still add something?",
    )
    try_first = "With little data and noisy labels, does BatchNorm alone do as well as both together in notebook 06?"
    options: ClassVar[dict[str, Choice]] = {
        "a": Choice(
            "Yes: it regularises just as well",
            False,
            False,
            "BatchNorm is not a regulariser by design; its batch noise may regularise a little. With little data and "
            "noisy labels a network with BatchNorm still gains clearly from Dropout: notebook 06 measures it.",
        ),
        "b": Choice(
            "No: a network with BatchNorm always needs Dropout too",
            False,
            False,
            "many strong networks use BatchNorm alone, and with enough data Dropout may add next to nothing. "
            "So it is a thing to test.",
        ),
        "c": Choice(
            "It may let you reduce or remove Dropout, but the two are not equivalent",
            True,
            True,
            "they solve different problems. Less Dropout is the lesson's view, and others saw it in a large network "
            "on ImageNet; in the small networks of notebook 06 Dropout still helps where there is little data and "
            "the labels are noisy. So test it, and put Dropout behind the last BatchNorm: anywhere before one it "
            "makes training and inference disagree.",
        ),
        "d": Choice(
            "No, not in general: the two have nothing to do with each other",
            True,
            False,
            "not in general, yes. But they do touch: Dropout anywhere before a BatchNorm makes training and inference "
            "disagree, and in some networks BatchNorm lets you use less Dropout.",
        ),
    }
