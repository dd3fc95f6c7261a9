"""Every misconception is rejected with its own sentence and no other; every right answer passes."""

import functools
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import batchnorm
from helpers.grading import check
from helpers.grading.course import BEYOND, QUESTIONS, SECTIONS
from helpers.grading.keras_question import KerasQuestion
from helpers.grading.question import ChoiceQuestion, CodeQuestion
from helpers.grading.questions import recalibrate
from tests.grading.pairs import answer_with

CODE = [question for question in QUESTIONS.values() if isinstance(question, CodeQuestion)]
CHOICES = [question for question in QUESTIONS.values() if isinstance(question, ChoiceQuestion)]
MISCONCEPTIONS = [
    pytest.param(question, misconception, id=f"{question.id}-{number}")
    for question in CODE
    for number, misconception in enumerate(question.misconceptions)
]


@functools.cache
def result_of(question, misconception):
    return check(question.id, answer_with(question, misconception.wrong))


@pytest.mark.parametrize(("question", "misconception"), MISCONCEPTIONS)
def test_a_misconception_gets_its_own_sentence_and_no_other(question, misconception):
    result = result_of(question, misconception)
    text = " ".join(case.feedback for case in result.cases)
    others = {other.sentence for other in question.misconceptions} - {misconception.sentence}
    assert not result.passed
    assert result.score < result.max_score
    assert misconception.sentence in text
    assert text.count(misconception.sentence) == 1
    assert not [sentence for sentence in others if sentence in text]
    assert misconception.sentence.split(". ")[0] in result.feedback


@pytest.mark.parametrize("question", CODE, ids=lambda question: question.id)
def test_the_reference_gets_full_points_twice(question):
    for _ in range(2):
        result = check(question.id, answer_with(question, question.reference))
        assert (result.score, result.passed) == (question.points, True), str(result)
        # Of the two right averages of recalibrate each gets its remark.
        assert result.notes == ((recalibrate.BY_BATCHES,) if question.id == "recalibrate" else ())


@pytest.mark.parametrize("question", CODE, ids=lambda question: question.id)
def test_the_probes_tell_all_wrong_answers_apart(question):
    """Each pair of implementations that have different sentences differs on a probe, ten tolerances apart."""
    if isinstance(question, KerasQuestion):
        pytest.importorskip("tensorflow")
    probes = question.probes(question.reference)
    known = [(None, question.reference)] + [
        (one.sentence, one.wrong) for one in question.misconceptions if not one.wild
    ]
    known += [(variant.note, variant.right) for variant in question.accepted]
    for (sentence, one), (other_sentence, other) in itertools.combinations(known, 2):
        if sentence == other_sentence or "in place" in f"{sentence} {other_sentence}":
            continue  # an answer that changes its arguments is right in its numbers
        assert any(_far_apart(question, probe, one, other) for probe in probes), (sentence, other_sentence)


def _far_apart(question, probe, one, other):
    first, second = question.outputs_of(one, probe), question.outputs_of(other, probe)
    if first is None or second is None:
        return (first is None) != (second is None)
    factor = 2 if isinstance(question, KerasQuestion) else 10
    tolerances = probe.tolerance if isinstance(probe.tolerance, tuple) else (probe.tolerance,) * len(first)
    return any(
        a.shape != b.shape
        or not np.allclose(
            a, b, rtol=0, atol=factor * tolerance * max(np.abs(np.nan_to_num(a)).max(), 0.01), equal_nan=True
        )
        for a, b, tolerance in zip(first, second, tolerances, strict=True)
    )


@pytest.mark.parametrize("question", CODE, ids=lambda question: question.id)
def test_partial_credit_grows_with_what_is_right(question):
    scores = {result_of(question, one).score for one in question.misconceptions}
    assert min(scores) < max(scores) < question.points


@pytest.mark.parametrize("name", ["normalize", "update_moving"])
def test_an_unbiased_variance_is_judged_where_it_matters(name):
    """Sample variance is wrong in the forward pass, and a matter of framework in the moving statistics."""
    if name == "normalize":
        assert not check(name, lambda x, epsilon=1e-3: (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + epsilon)).passed
        return
    result = check(name, lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * x.mean(0), momentum * v + (1 - momentum) * x.var(0, ddof=1)
    ))  # fmt: skip
    assert result.passed
    assert "PyTorch" in result.notes[0]


# Answers that a learner wrote, and what they were told ------------------------------------------------------------


def feedback(question, answer):
    return "\n".join(case.feedback for case in check(question, answer).cases)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_epsilon_in_the_stored_variance_is_named(epsilon):
    said = feedback("update_moving", lambda m, v, x, momentum=0.99: (
        momentum * m + (1 - momentum) * x.mean(0), momentum * v + (1 - momentum) * (x.var(0) + epsilon)
    ))  # fmt: skip
    assert "adds epsilon to the variance that it stores" in said


class FallsBack:
    """A layer that takes its moving statistics for a training batch of one row."""

    def __init__(self, features, momentum=0.99, epsilon=1e-3, add=0.0):
        self.momentum, self.epsilon, self.add = momentum, epsilon, add
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.moving_mean, self.moving_variance = np.zeros(features), np.ones(features)

    def __call__(self, x, training=False):
        mean, variance = self.moving_mean, self.moving_variance
        if training and (len(x) > 1 or self.add):
            mean, variance = x.mean(0), x.var(0)
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
            self.moving_variance = self.momentum * self.moving_variance + (1 - self.momentum) * (variance + self.add)
        return self.gamma * (x - mean) / np.sqrt(variance + self.epsilon) + self.beta


def test_a_layer_that_falls_back_to_its_averages_is_told_so():
    result = check("BatchNorm", FallsBack)
    assert result.score < result.max_score
    assert "uses its moving statistics for a training batch of one row" in result.feedback


def test_a_layer_that_stores_epsilon_is_told_so():
    class StoresEpsilon(FallsBack):
        def __init__(self, features, momentum=0.99, epsilon=1e-3):
            super().__init__(features, momentum, epsilon, add=1e-3)

    assert "adds epsilon to the variance that it stores" in feedback("BatchNorm", StoresEpsilon)


@pytest.mark.parametrize(("question", "answer"), [
    ("normalize", lambda x, epsilon=1e-3: x if len(x) == 1 else (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)),
    ("batchnorm_forward", lambda x, gamma, beta, epsilon=1e-3: x if len(x) == 1 else
     gamma * (x - x.mean(tuple(range(x.ndim - 1)))) / np.sqrt(x.var(tuple(range(x.ndim - 1))) + epsilon) + beta),
])  # fmt: skip
def test_a_batch_of_one_row_is_no_exception(question, answer):
    assert not check(question, answer).passed


def test_brackets_that_are_missing_are_named():
    said = feedback("normalize", lambda x, epsilon=1e-3: x - x.mean(0) / np.sqrt(x.var(0) + epsilon))
    assert said.startswith("Brackets are missing")
    assert "LayerNorm" not in said


def test_the_wrong_axis_is_named_where_the_shapes_do_not_meet():
    said = feedback("normalize", lambda x, epsilon=1e-3: (x - x.mean(1)) / np.sqrt(x.var(1) + epsilon))
    assert "LayerNorm" in said
    assert "could not be broadcast" in said


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_layer_that_moves_at_inference_is_told_so_whichever_averages_it_uses(when):
    class Moving(QUESTIONS["BatchNorm"].reference):
        def __call__(self, x, training=False):
            if training:
                return super().__call__(x, training=True)
            if when == "after":
                super().__call__(x, training=True)
                return super().__call__(x)
            y = super().__call__(x)
            super().__call__(x, training=True)
            return y

    assert "updates its averages at inference" in feedback("BatchNorm", Moving)


def test_a_new_layer_with_numbers_for_arrays_is_told_the_shape():
    class Numbers(QUESTIONS["BatchNorm"].reference):
        def __init__(self, features, **options):
            super().__init__(features, **options)
            self.gamma = 1.0

    assert "With `features = 3`, gamma should have shape `(3,)`" in feedback("BatchNorm", Numbers)


def test_a_factor_is_named_only_where_it_says_something():
    outside = feedback("normalize", lambda x, epsilon=1e-3: (x - x.mean(0)) / (x.std(0) + epsilon))
    assert "is 1 times" not in outside
    assert "times what it should be" in feedback(
        "fold_batchnorm", lambda *layer, **options: [2 * one for one in QUESTIONS["fold_batchnorm"].reference(*layer)]
    )


def test_a_mistake_is_not_named_where_it_would_have_stopped_and_the_answer_did_not():
    said = feedback("normalize", lambda x, epsilon=1e-3: (x - x.mean()) / np.sqrt(x.var() + 3 * epsilon))
    assert "LayerNorm" not in said


def test_many_passes_over_the_data_are_a_right_way_to_recalibrate():
    def recalibrate(model, x, batch_size):
        for _ in range(120):
            for start in range(0, len(x), batch_size):
                model(x[start : start + batch_size], training=True)
        return model

    result = check("recalibrate", recalibrate)
    assert result.passed, str(result)


def test_what_to_try_first_names_what_the_notebook_has():
    source = (Path(__file__).parents[2] / "source" / "07_exercises.py").read_text(encoding="utf-8")
    for name in ("broken_train_step", "norm.moving_mean"):
        assert f"`{name}`" in QUESTIONS["train_step"].try_first
        assert name in source


# Half-finished answers ---------------------------------------------------------------------------------------------


class InitOnly(QUESTIONS["BatchNorm"].reference):
    def __call__(self, x, training=False):
        return ...


def backward_without_dx(dy, x, gamma, epsilon=1e-3):
    return ..., *QUESTIONS["batchnorm_backward"].reference(dy, x, gamma, epsilon)[1:]


def fold_without_bias(*layer, **options):
    return QUESTIONS["fold_batchnorm"].reference(*layer, **options)[0], ...


def update_without_variance(*given, **options):
    return QUESTIONS["update_moving"].reference(*given, **options)[0], ...


@pytest.mark.parametrize(
    ("question", "answer", "passed"),
    [
        ("BatchNorm", InitOnly, "a new layer: gamma 1, beta 0, mean 0, variance 1"),
        ("batchnorm_backward", backward_without_dx, "dgamma"),
        ("fold_batchnorm", fold_without_bias, "the kernel"),
        ("update_moving", update_without_variance, "one batch, momentum 0.8: the mean"),
    ],
)
def test_a_placeholder_costs_its_own_part_only(question, answer, passed):
    result = check(question, answer)
    part = next(case for case in result.cases if case.name == passed)
    least = result.max_score * part.weight / sum(case.weight for case in result.cases)
    assert result.attempted
    assert part.passed
    assert least - 0.125 <= result.score < result.max_score  # in quarters of a point
    assert "still" in result.feedback
    assert "`...`" in result.feedback


def test_a_layer_whose_averages_are_right_and_whose_output_is_open_earns_the_averages():
    class Open(QUESTIONS["BatchNorm"].reference):
        def __call__(self, x, training=False):
            super().__call__(x, training=training)
            return ...

    passed = [case.name for case in check("BatchNorm", Open).cases if case.passed]
    assert "three different batches move the averages" in passed
    assert "a prediction changes nothing" not in passed


def test_code_that_returns_its_placeholder_is_told_to_look_at_the_variable():
    def normalize(x, epsilon=1e-3):
        x_norm = (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)
        x_hat = ...
        return x_hat if x_norm is not None else x_norm

    result = check("normalize", normalize)
    assert (result.attempted, result.score) == (False, 0)
    for shown in result._repr_mimebundle_()["text/html"], str(result):
        assert "the one that you filled?" in shown
    assert check("normalize", ...).notes == ()


# What is said about mistakes of form ------------------------------------------------------------------------------


def layer_method(**methods):
    return type("BatchNorm", (QUESTIONS["BatchNorm"].reference,), methods)


def without_self(self, x, training=False):
    return x / (1 + epsilon)  # noqa: F821 (that is the mistake)


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        ("normalize", lambda x, epsilon=1e-3: (x, x.mean(0)), "a tuple of 2 things. Return the result alone."),
        ("update_moving", lambda *given, **options: {}, "received a `dict`."),
        ("warm_up_steps", lambda momentum, fraction: "3", "should be a number; received a `str`."),
        ("BatchNorm", layer_method()(3), 'not the class. Write `check("BatchNorm", BatchNorm)`.'),
        ("BatchNorm", layer_method(__call__=without_self), "keep it as `self.epsilon`."),
        ("BatchNorm", type("BatchNorm", (), {"__init__": layer_method().__init__}), "called `__call__`,"),
        ("BatchNorm", type("BatchNorm", (), {"_init_": lambda self, features: None}), "called `__init__`,"),
        ("batchnorm_forward", lambda x, gamma, beta, epsilon=1e-3: x.mean(range(x.ndim - 1)), "`tuple(...)`."),
        ("batchnorm_backward", lambda dy, x, gamma, epsilon=1e-3: x.mean([0]), "`tuple(...)`."),
    ],
)  # fmt: skip
def test_a_mistake_of_form_is_explained(question, answer, says):
    result = check(question, answer)
    assert says in result.feedback
    assert not result.passed


@pytest.mark.parametrize("name", ["dy", "x"])
def test_the_argument_that_was_changed_is_the_one_in_the_example(name):
    def backward(dy, x, gamma, epsilon=1e-3):
        right = QUESTIONS["batchnorm_backward"].reference(dy, x, gamma, epsilon)
        (dy if name == "dy" else x).fill(0)
        return right

    said = feedback("batchnorm_backward", backward)
    assert f"`{name} = {name} - ...` instead of `{name} -= ...`" in said


def test_layernorm_is_told_of_all_axes_but_the_last_where_there_may_be_many():
    def forward(x, gamma, beta, epsilon=1e-3):
        return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) + beta

    said = feedback("batchnorm_forward", forward)
    assert "all axes but the last" in said
    assert "`axis=0`" not in said


def test_the_words_fit_the_notebooks():
    figure = (Path(__file__).parents[2] / "source" / "04_placement.py").read_text(encoding="utf-8")
    assert 'xlabel="before − after, each at its best learning rate' in figure
    assert "before − after, each order at its best learning rate" in QUESTIONS["ex2"].try_first
    texts = [option.because for option in QUESTIONS["quiz2"].options.values()]
    texts += [one.sentence for one in QUESTIONS["build_model"].misconceptions]
    assert not [text for text in texts if "directly before" in text]  # anywhere before BatchNorm it does the same


def test_no_text_has_marks_that_are_not_shown_as_such():
    for question in QUESTIONS.values():
        texts = [*question.hints, question.try_first]
        texts += [one.sentence for one in getattr(question, "misconceptions", ())]
        texts += [text for cause in getattr(question, "causes", {}).values() for text in (cause.text, cause.reply)]
        assert not [text for text in texts if re.search(r"\*[a-z]+\*", re.sub(r"`[^`]*`", "", text))]


# What `solution` shows and what the course computes elsewhere must be one and the same -----------------------------


def test_the_solutions_agree_with_the_reference_layer():
    rng = np.random.default_rng(1)
    x, dy = rng.normal(3, 2, (2, 5, 4, 3)), rng.normal(size=(2, 5, 4, 3))
    gamma, beta = rng.normal(size=3), rng.normal(size=3)
    y, *_, cache = batchnorm.forward(x, gamma, beta)
    np.testing.assert_allclose(QUESTIONS["batchnorm_forward"].reference(x, gamma, beta), y, rtol=1e-10)
    ours = QUESTIONS["batchnorm_backward"].reference(dy, x, gamma)
    for one, other in zip(ours, batchnorm.backward(dy, cache), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)
    rows = x.reshape(-1, 3)
    mean, variance = batchnorm.batch_statistics(rows)
    np.testing.assert_allclose(
        QUESTIONS["update_moving"].reference(np.zeros(3), np.ones(3), rows, 0.9),
        batchnorm.update_moving(np.zeros(3), np.ones(3), mean, variance, 0.9),
    )
    kernel, bias = QUESTIONS["fold_batchnorm"].reference(np.eye(3), np.zeros(3), gamma, beta, mean, variance)
    np.testing.assert_allclose(rows @ kernel + bias, batchnorm.inference(rows, gamma, beta, mean, variance))


# In words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "letter"),
    [(question, letter) for question in CHOICES for letter in question.options],
    ids=lambda value: getattr(value, "id", value),
)
def test_every_option_is_answered_with_its_reason(question, letter):
    choice = question.options[letter]
    result = check(question.id, letter)
    assert choice.because in " ".join(case.feedback for case in result.cases)
    assert result.score == question.points * (choice.answer + choice.reason) / 2
    assert check(question.id, f" {letter.upper()}) ").score == result.score
    for other in question.options.values():
        assert other is choice or other.because not in str(result)


def test_what_is_credited_in_words():
    """The answers of misconceptions.md: nobody loses points for the lesson's own answer where it is contested."""
    full = {
        question.id: {letter for letter in question.options if check(question.id, letter).passed}
        for question in CHOICES
    }
    assert full == {"ex1": {"b", "c"}, "ex2": {"d"}, "quiz1": {"a"}, "quiz2": {"c"}}
    assert check("ex2", "b").score == QUESTIONS["ex2"].points / 2


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.id)
def test_a_question_is_complete(question):
    assert len(question.hints) == 2
    assert len(set(question.hints)) == 2
    assert question.try_first
    assert question.section in (*SECTIONS, *BEYOND)
    assert question.answer_source()
    for text in (*question.hints, question.try_first):
        assert text.count("`") % 2 == 0
    for misconception in getattr(question, "misconceptions", ()):
        assert misconception.sentence.count("`") % 2 == 0
        assert "{" not in misconception.sentence
