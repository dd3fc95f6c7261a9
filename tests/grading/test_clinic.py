"""The clinic: other repairs pass, wrong ones do not, and program and cause count each for itself."""

import re
from pathlib import Path

import jupytext
import numpy as np
import pytest

from helpers.grading import check, sandbox
from helpers.grading.clinic_question import ClinicQuestion
from helpers.grading.course import QUESTIONS
from tests.grading.clinic_answers import RIGHT, WRONG, head, keras, network, tf
from tests.grading.pairs import answer_with
from tests.grading.test_exercises_notebook import graded, run
from tools import exercises

CLINIC = {name: question for name, question in QUESTIONS.items() if isinstance(question, ClinicQuestion)}


def cases_of(answers):
    return [
        pytest.param(name, one, id=f"{name}-{count}") for name in answers for count, one in enumerate(answers[name])
    ]


@pytest.mark.parametrize(("name", "code"), cases_of(RIGHT))
def test_another_repair_gets_full_points(name, code):
    result = check(name, answer_with(CLINIC[name], code))
    assert (result.score, result.passed) == (4, True), str(result)


@pytest.mark.parametrize(("name", "code"), cases_of(WRONG))
def test_an_unlisted_wrong_repair_is_rejected_with_its_evidence(name, code):
    result = check(name, answer_with(CLINIC[name], code))
    assert not result.passed, str(result)
    assert any(word in result.feedback for word in ("should", "stopped with", "Expected"))
    assert any(word in result.feedback for word in ("received", "yours", "your", "Your"))
    assert len(result.feedback) < 900
    assert not [one.sentence for one in CLINIC[name].misconceptions if one.sentence in str(result)], str(result)


def test_there_are_enough_of_each_kind():
    assert len(CLINIC) == 6
    for name, question in CLINIC.items():
        assert len(RIGHT[name]) >= 4
        assert len(WRONG[name]) >= 10
        repairs = {one.sentence for one in question.misconceptions}
        replies = {cause.reply for cause in question.causes.values() if not cause.right}
        assert len(repairs) >= 5  # the program as it stands, and four wrong repairs
        assert len(repairs) + len(replies) >= 8
        assert sum(cause.right for cause in question.causes.values()) == 1


def test_an_inference_mode_that_the_outer_model_overrules_is_named():
    """Keras 3 overrules it in functional models (to 3.15 at least); a Keras that honours it makes the repair right."""
    question = CLINIC["clinic_2"]
    result = check("clinic_2", answer_with(question, lambda base: head(base, training=False)))
    assert result.passed or "With `base(inputs, training=False)` too" in result.feedback


@pytest.mark.parametrize(
    "steps",
    [
        "32 norm relu drop 16 norm relu 1",
        "32 norm relu 16 drop norm relu 1",
        "drop 32 norm relu 16 norm relu 1",
        "32 relu drop norm 16 norm relu drop 1",
    ],
)
def test_a_dropout_in_the_wrong_place_leaves_what_is_right(steps):
    result = check("clinic_5", answer_with(CLINIC["clinic_5"], network(steps)))
    failed = [case.name for case in result.cases if not case.passed]
    assert failed[0] == "both moving variances are those of inference too"
    assert ("the network is otherwise what it was" in failed) == (steps.count("norm relu") < 2)


# The pair ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLINIC)
def test_the_program_as_it_stands_is_not_attempted(name):
    broken = CLINIC[name].misconceptions[0].wrong
    for answer in (None, ..., (..., ...), (None, None), (broken, ...), (broken, None)):
        result = check(name, answer)
        assert (result.attempted, result.score, result.cases) == (False, 0, ())
    assert "no cause is picked" in str(check(name, (broken, ...)))


@pytest.mark.parametrize("name", CLINIC)
def test_program_and_cause_count_each_for_itself(name):
    question = CLINIC[name]
    broken, right = question.misconceptions[0].wrong, question.reference
    for code in (broken, ..., None):
        result = check(name, (code, question.right_cause))
        assert (result.attempted, result.passed, result.score) == (True, False, 1)
        assert question.misconceptions[0].sentence in result.feedback
    result = check(name, (right, ...))
    assert (result.passed, result.score) == (False, 3)
    assert "Pick the cause as well" in result.feedback
    assert check(name, (right, question.right_cause)).score == 4
    assert check(name, [right, f" ({question.right_cause.upper()}) "]).passed


@pytest.mark.parametrize(
    ("name", "letter"),
    [(name, letter) for name, one in CLINIC.items() for letter, cause in one.causes.items() if not cause.right],
)
def test_a_wrong_cause_gets_its_own_reply(name, letter):
    question = CLINIC[name]
    result = check(name, (question.reference, letter))
    assert (result.passed, result.score) == (False, 3)
    assert question.causes[letter].reply in result.feedback
    assert not [one.reply for key, one in question.causes.items() if key != letter and one.reply in str(result)]
    assert check(name, (question.misconceptions[0].wrong, letter)).score == 0


@pytest.mark.parametrize("name", CLINIC)
def test_the_cases_of_the_program_are_worth_three_points(name):
    question = CLINIC[name]
    weights = [weight for probe in question.probes(None) for _, weight, _ in probe.parts]
    assert sum(weights) == question.CODE_POINTS == question.points - question.CAUSE_POINTS == 3


# Hostile answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [3, "b", print, (), (1,), (1, 2, 3), {}, np.ones(2), type, object(), b"ab", ("b", "b"), (3, 4), (int, [])],
    ids=lambda answer: type(answer).__name__,  # an address in a name would differ between processes
)
def test_any_kind_of_answer_gets_a_result(answer):
    result = check("clinic_4", answer)
    assert result.attempted
    assert not result.passed
    assert result.score <= 1
    assert "Expected" in result.feedback or "should" in result.feedback or "stopped with" in result.feedback


def test_an_answer_that_is_no_pair_is_told_how_to_check():
    said = check("clinic_3", CLINIC["clinic_3"].reference).feedback
    assert '`check("clinic_3", (build_front_end, cause_3))`' in said


@pytest.mark.parametrize(
    "hook", ["__repr__", "__eq__", "__bool__", "__hash__", "__len__", "strip", "__class__", "__iter__"]
)
def test_an_object_that_fails_everywhere_gets_a_result(hook):
    def fail(*_):
        raise RuntimeError("hostile")

    odd = type("Odd", (), {hook: property(fail) if hook == "__class__" else fail})()
    for answer in (odd, (odd, odd), (lambda *_: odd, odd), (CLINIC["clinic_4"].reference, odd)):
        result = check("clinic_4", answer)
        assert not result.passed
        assert result.feedback


def endless(*_):
    while True:
        pass


def leaves(*_):
    raise SystemExit


@pytest.mark.parametrize("name", CLINIC)
@pytest.mark.parametrize(("code", "says"), [(endless, "stopped"), (leaves, "`exit`"), (lambda: 1, "stopped with")])
def test_a_program_that_does_not_return_becomes_feedback(name, code, says, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    if code is not endless and code is not leaves and CLINIC[name].reference.__code__.co_argcount == 0:
        pytest.skip("without arguments it can be called, and returns 1")
    result = check(name, (code, CLINIC[name].right_cause))
    assert (result.passed, result.score) == (False, 1)
    assert says in result.feedback


# The notebook -----------------------------------------------------------------------------------------------------

SOURCE = Path(__file__).parents[2] / "source" / "10_exercises_and_clinic.py"


@pytest.fixture
def solved():
    return exercises.with_points(jupytext.read(SOURCE, fmt="py:percent"))


# What is printed wherever it runs.
SYMPTOMS = (
    "moving mean     [0. 0. 0.]",
    "shape of gamma       (5,)",
    "step 4: batch of 1, spread behind BatchNorm 0.0",
    "x_hat in Keras    [1.    0.48  0.816 0.999]",
)


def test_the_unanswered_clinic_runs_shows_its_symptoms_and_earns_nothing(solved, monkeypatch, capsys):
    values = run(exercises.strip_solutions(solved), monkeypatch)
    assert [values[f"{name}_check"].attempted for name in CLINIC] == [False] * 6
    printed = capsys.readouterr().out
    assert [line for line in SYMPTOMS if line not in printed] == []


def test_the_solved_clinic_has_no_symptoms_and_earns_everything(solved, monkeypatch, capsys):
    values = run(solved, monkeypatch)
    assert [values[f"{name}_check"].score for name in CLINIC] == [4] * 6
    printed = capsys.readouterr().out
    assert [line for line in SYMPTOMS if line in printed] == []


def test_the_program_that_stands_in_the_notebook_is_the_one_that_is_known(solved):
    student = exercises.strip_solutions(solved)
    cells = {cell.metadata.nbgrader.grade_id: cell.source for cell in graded(student)}
    for name, question in CLINIC.items():
        names = {"keras": keras, "tf": tf, "np": np}
        exec(cells[name], names)
        assert names[question.cause_name] is ...
        assert not check(name, (names[question.program], ...)).attempted
        assert check(name, (names[question.program], question.right_cause)).score == 1
        assert cells[f"{name}_check"] == f'check("{name}", ({question.program}, {question.cause_name}))'


def test_the_words_of_the_clinic_are_those_that_are_checked(solved):
    text = "\n".join(cell.source for cell in solved.cells if cell.cell_type == "markdown")
    assert "## The clinic\n" in text
    for question in CLINIC.values():
        task = text.split(f"### {question.title}\n")[1].split("###")[0]
        found = re.search(r"\*(?:easy|medium|hard) · about (\d+) minutes · (\d+) points\*", task)
        assert int(found[2]) == question.points
        assert re.findall(r"^- \*\*(\w)\*\* (.*)$", task, re.MULTILINE) == [
            (letter, cause.text) for letter, cause in question.causes.items()
        ]


def test_the_lines_of_the_clinic_fit_a_cell(solved):
    cells = [cell.source.splitlines() for cell in solved.cells if cell.cell_type == "code"]
    assert max(len(line) for lines in cells for line in lines) <= 88
