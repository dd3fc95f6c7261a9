"""The lesson's own question `ex2`, with a reason for every option."""

from typing import ClassVar

from helpers.grading.question import Choice, ChoiceQuestion


class Exercise2(ChoiceQuestion):
    id = "ex2"
    short = "ex2"
    title = "Exercise 2"
    text = "Should BatchNorm be applied before or after activation?"
    section = "Where it is applied"
    notebook, heading = "04_placement", "At the best learning rate"
    hints = (
        "The lesson's own code has the order `Dense`, `BatchNormalization`, `Activation`.",
        "Notebook 04 compares both orders. Did the order decide everything, nothing, or did it depend?",
    )
    try_first = (
        "Look at the intervals in notebook 04 for before − after, each order at its best learning rate: "
        "does any of them leave the grey band?"
    )
    options: ClassVar[dict[str, Choice]] = {
        "a": Choice(
            "After: the activation's output is what the next layer sees",
            False,
            False,
            "the original advice and the convention are the other way round. Your reason is a fair one, "
            "though: some large "
            "networks did slightly better with it after. Test it, as notebook 04 does.",
        ),
        "b": Choice(
            "Before, always: after the activation a network can not train well",
            True,
            False,
            "before is the lesson's answer. But “can not train well” says too much: in many networks both orders train "
            "equally well, and some prefer after. Notebook 04 shows where the order decides.",
        ),
        "c": Choice(
            "It makes no difference, ever",
            False,
            False,
            "in many networks the difference is small, but not in all: with very high learning rates or "
            "extreme weights one "
            "order trains and the other fails. Notebook 04 shows both cases.",
        ),
        "d": Choice(
            "Before, after the linear step: the original advice and the convention, worth testing in your own network",
            True,
            True,
            "before the activation is what the lesson and the paper of 2015 advise. How much it matters depends on "
            "activation, learning rate and initialisation.",
        ),
    }
