"""The lesson's own questions: Exercises 1 and 2 and the Quick quiz, with a reason for every option."""

from typing import ClassVar

from helpers.grading.question import Choice, ChoiceQuestion


class Exercise1(ChoiceQuestion):
    id = "ex1"
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


class Exercise2(ChoiceQuestion):
    id = "ex2"
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


class Quiz1(ChoiceQuestion):
    id = "quiz1"
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


class Quiz2(ChoiceQuestion):
    id = "quiz2"
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
