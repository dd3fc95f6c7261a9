"""The notebooks with exercises: a learner's copy runs unanswered, the solved one earns everything, nbgrader agrees."""

import ast
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from helpers.grading import course
from helpers.grading.clinic_question import ClinicQuestion
from helpers.grading.course import NOTEBOOKS, QUESTIONS, questions_of
from helpers.grading.question import ChoiceQuestion
from helpers.grading.results import Report
from tests.grading import test_misconceptions
from tools import exercises, grade

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=NOTEBOOKS)
def name(request):
    return request.param


@pytest.fixture
def questions(name):
    return questions_of(name)


@pytest.fixture
def source(name):
    return ROOT / "source" / f"{name}.py"


@pytest.fixture
def solved(source):
    return exercises.with_points(jupytext.read(source, fmt="py:percent"))


@pytest.fixture
def student(solved):
    return exercises.strip_solutions(solved)


@pytest.fixture
def lesson():
    """The learner's copy of the lesson's exercises, for what is the same whichever notebook is handed in."""
    return exercises.strip_solutions(jupytext.read(ROOT / "source" / f"{grade.NOTEBOOK}.py", fmt="py:percent"))


def run(notebook, monkeypatch):
    """Execute the cells in order as a kernel would; returns grade_id → the value of the cell's last expression."""
    monkeypatch.setattr(course, "_results", {})
    names, values = {"__name__": "__main__"}, {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
            values[cell.metadata.get("nbgrader", {}).get("grade_id", len(values))] = value
    return values


def report_in(values):
    """The one report among the values of the cells."""
    (report,) = (value for value in values.values() if isinstance(value, Report))
    return report


def graded(notebook):
    return [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


def test_the_unanswered_notebook_runs_and_earns_nothing(student, questions, monkeypatch):
    values = run(student, monkeypatch)
    results = [values[f"{question}_check"] for question in questions]
    assert [result.attempted for result in results] == [False] * len(questions)
    assert [repr(result) for result in results] == ["0"] * len(questions)
    assert f"0 of {sum(one.points for one in questions.values()):g} points" in str(report_in(values))


def test_the_solved_notebook_earns_everything(solved, questions, monkeypatch):
    values = run(solved, monkeypatch)
    for question in questions.values():
        result = values[f"{question.id}_check"]
        assert (result.passed, result.score) == (True, question.points), str(result)
    assert "Everything is correct" in str(report_in(values))


def test_no_solution_is_left(student, solved):
    text = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in text
    assert (
        text.count(exercises.STUB) == sum(cell.source.count("# BEGIN SOLUTION") for cell in solved.cells) + 1
    )  # the text names it


def test_nbgrader_makes_the_same_copy(student, solved):
    preprocessors = pytest.importorskip("nbgrader.preprocessors")
    clear = preprocessors.ClearSolutions(code_stub={"python": exercises.STUB})
    theirs, _ = clear.preprocess(solved, {})
    assert [cell.source for cell in theirs.cells] == [cell.source for cell in student.cells]


def test_the_metadata_is_valid_and_survives_the_round_trip(student, solved):
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator()
    for notebook in (student, solved):
        validator.validate_nb(notebook)
    again = jupytext.reads(jupytext.writes(student, fmt="py:percent"), fmt="py:percent")
    assert [cell.metadata for cell in again.cells] == [cell.metadata for cell in student.cells]


def test_every_question_has_its_two_cells_and_its_points(student, questions):
    ids = [cell.metadata.nbgrader.grade_id for cell in graded(student)]
    assert sorted(ids) == sorted(name for question in questions for name in (question, f"{question}_check"))
    assert len(set(ids)) == len(ids)
    for cell in graded(student):
        metadata = cell.metadata.nbgrader
        question = metadata.grade_id.removesuffix("_check")
        if metadata.grade_id == question:
            assert (metadata.solution, metadata.grade, metadata.locked) == (True, False, False)
            continue
        assert (metadata.solution, metadata.grade, metadata.locked) == (False, True, True)
        assert metadata.points == QUESTIONS[question].points
        exercise = questions[question]
        clinic = isinstance(exercise, ClinicQuestion)
        answer = f"({exercise.program}, {exercise.cause_name})" if clinic else question
        assert cell.source == f'check("{question}", {answer})'


def test_the_words_of_the_questions_are_those_that_are_checked(student, questions):
    text = "\n".join(cell.source for cell in student.cells if cell.cell_type == "markdown")
    for question in questions.values():
        assert f"### {question.title}\n" in text
        if isinstance(question, ChoiceQuestion):
            assert f"> **The lesson:** {question.text}" in text
            for letter, choice in question.options.items():
                assert f"- **{letter}** {choice.text}" in text
        for letter, cause in getattr(question, "causes", {}).items():
            assert f"- **{letter}** {cause.text}" in text


def test_each_task_says_its_points_and_the_minutes_add_up(source, questions):
    text = source.read_text(encoding="utf-8")
    words = [question for question in questions.values() if isinstance(question, ChoiceQuestion)]
    minutes = 0
    if words:
        each = re.search(r"\*easy · about (\d+) minutes and (\d+) points each\*", text)
        assert {question.points for question in words} == {int(each[2])}
        minutes = len(words) * int(each[1])
    for question in questions.values():
        if question not in words:
            task = text.split(f"### {question.title}\n")[1].split("###")[0]
            found = re.search(r"\*(?:easy|medium|hard) · about (\d+) minutes · (\d+) points\*", task)
            assert int(found[2]) == question.points
            minutes += int(found[1])
    assert f"**Time:** about {minutes} minutes" in text


def test_what_to_read_again_exists():
    for question in QUESTIONS.values():
        source = ROOT / "source" / f"{question.notebook}.py"
        if question.heading:
            assert re.search(rf"^# #+ {re.escape(question.heading)}$", source.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_solution_without_an_end_is_an_error():
    notebook = new_notebook(cells=[new_code_cell("x = ...\n# BEGIN SOLUTION\nx = 1")])
    with pytest.raises(ValueError, match="without its other end"):
        exercises.strip_solutions(notebook)


def test_the_example_of_the_instructor_guide_passes_what_it_tells_you_to_run(monkeypatch):
    text = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
    example = re.search(r'^```python\n("""Exercise `centre`.*?)^```', text, re.MULTILINE | re.DOTALL)[1]
    names = {"__name__": "centre"}
    exec(example, names)
    question = names["Centre"]()
    monkeypatch.setitem(QUESTIONS, question.id, question)
    test_misconceptions.test_the_reference_gets_full_points_twice(question)
    test_misconceptions.test_the_probes_tell_all_wrong_answers_apart(question)
    test_misconceptions.test_partial_credit_grows_with_what_is_right(question)
    for misconception in question.misconceptions:
        test_misconceptions.test_a_misconception_gets_its_own_sentence_and_no_other(question, misconception)
    assert question.section in course.SECTIONS
    source = (ROOT / "source" / f"{question.notebook}.py").read_text(encoding="utf-8")
    assert re.search(rf"^# #+ {re.escape(question.heading)}$", source, re.MULTILINE)


# Submissions -----------------------------------------------------------------------------------------------------


def test_a_duplicated_cell_is_graded_once(lesson):
    twice = exercises.copy.deepcopy(lesson)
    twice.cells += exercises.copy.deepcopy(graded(lesson)[:2])
    repaired, remarks = grade.repair(twice, lesson)
    ids = [cell.metadata.nbgrader.grade_id for cell in graded(repaired)]
    assert sorted(ids) == sorted(cell.metadata.nbgrader.grade_id for cell in graded(lesson))
    assert remarks == ["ex1 stood there twice", "ex1_check stood there twice"]


def test_lost_metadata_and_lost_checks_come_back(lesson):
    stripped = exercises.copy.deepcopy(lesson)
    for cell in stripped.cells:
        cell.metadata.pop("nbgrader", None)
    stripped.cells = [cell for cell in stripped.cells if not cell.source.startswith('check("freeze"')]
    repaired, remarks = grade.repair(stripped, lesson)
    wanted = {cell.metadata.nbgrader.grade_id for cell in graded(lesson) if cell.metadata.nbgrader.grade}
    assert {cell.metadata.nbgrader.grade_id for cell in graded(repaired)} == wanted
    assert "freeze_check was missing" in remarks
    assert "normalize_check had lost its metadata" in remarks


def test_an_untouched_submission_needs_no_repair(student):
    assert grade.repair(student, student) == (student, [])


def test_submissions_are_found_as_files_and_as_folders(tmp_path):
    (tmp_path / "ada.ipynb").write_text("{}")
    (tmp_path / "Grace Hopper" / "helpers").mkdir(parents=True)
    (tmp_path / "Grace Hopper" / "07_exercises.ipynb").write_text("{}")
    (tmp_path / "Grace Hopper" / "02_mine.ipynb").write_text("{}")
    (tmp_path / "empty").mkdir()
    found, _ = grade.find_submissions(tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        "ada": "ada.ipynb", "Grace_Hopper": "07_exercises.ipynb", "empty": "07_exercises.ipynb"
    }  # fmt: skip
    with pytest.raises(FileNotFoundError, match="No submissions"):
        grade.find_submissions(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        grade.find_submissions(tmp_path / "nowhere")


@pytest.mark.parametrize("second", ["Ada_L.ipynb", "Ada L/07_exercises.ipynb"])
def test_no_learner_takes_the_place_of_another(tmp_path, second):
    (tmp_path / second).parent.mkdir(exist_ok=True)
    for name in ("Ada L.ipynb", second):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=r"Two submissions of 'Ada_L': .*Ada.L.* and .*Ada.L.*Rename one of them"):
        grade.find_submissions(tmp_path)


def test_what_programs_leave_in_a_folder_is_no_submission(tmp_path):
    for name in ("ada/07_exercises.ipynb", ".ipynb_checkpoints/eve-checkpoint.ipynb", "__MACOSX/ada.ipynb",
                 "._ada.ipynb", "bob/.ipynb_checkpoints/07_exercises.ipynb", "bob/part/mine.ipynb"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found, _ = grade.find_submissions(tmp_path)
    assert {name: path.name for name, path in found.items()} == {"ada": "07_exercises.ipynb", "bob": "mine.ipynb"}


@pytest.mark.parametrize("names", [None, ("Ada L.ipynb", "Ada_L.ipynb")])
def test_submissions_that_can_not_be_graded_end_in_one_line(tmp_path, names):
    for name in names or ():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("{}")
    command = [sys.executable, "tools/grade.py", str(tmp_path / "in"), "--course", str(tmp_path / "course")]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Two submissions of 'Ada_L'" if names else "There is no folder")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "course").exists()  # nothing was overwritten


class GradebookOnly:
    """nbgrader's API with a gradebook, and an `autograde` that fails as it does when a kernel dies."""

    def __init__(self, gradebook):
        self._gradebook = gradebook

    @property
    def gradebook(self):
        return contextlib.nullcontext(self._gradebook)

    def autograde(self, assignment, student):
        return {"success": False, "log": "DeadKernelError: Kernel died"}


@pytest.fixture
def graded_before(tmp_path, monkeypatch):
    """nbgrader's API for a course in which ada and grace got 4 points for an exercise."""
    api = pytest.importorskip("nbgrader.api")
    # nbgrader calls `alembic` by name, also where its environment was not activated.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    with api.Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "batchnorm") as gradebook:
        gradebook.add_assignment(grade.ASSIGNMENT)
        gradebook.add_notebook(grade.NOTEBOOK, grade.ASSIGNMENT)
        where = grade.NOTEBOOK, grade.ASSIGNMENT
        gradebook.add_grade_cell("normalize_check", *where, max_score=4, cell_type="code")
        for student in ("ada", "grace"):
            gradebook.add_student(student)
            gradebook.add_submission(grade.ASSIGNMENT, student)
            gradebook.find_grade("normalize_check", *where, student).auto_score = 4
        gradebook.db.commit()
        yield GradebookOnly(gradebook)


@pytest.mark.filterwarnings("ignore:Object of type")  # nbgrader's own dealings with SQLAlchemy
@pytest.mark.parametrize(("second", "says"), [("no JSON", "cannot be read"), (None, "its code ended the kernel")])
def test_a_hand_in_that_is_not_graded_gets_no_points_of_an_earlier_one(graded_before, tmp_path, lesson, second, says):
    path = tmp_path / "ada.ipynb"
    path.write_text(second or nbformat.writes(lesson), encoding="utf-8")
    assert grade._scores(graded_before, "ada", grade.NOTEBOOK) == {"normalize": 4}
    for _ in range(2):  # there is nothing left to forget the second time
        (remark,) = grade._grade_one(graded_before, tmp_path, lesson, "ada", path, grade.NOTEBOOK)
        assert says in remark
        assert grade._scores(graded_before, "ada", grade.NOTEBOOK) == {"normalize": 0}
    assert grade._scores(graded_before, "grace", grade.NOTEBOOK) == {"normalize": 4}


def test_what_did_not_end_is_said_in_a_remark(lesson):
    executed = exercises.copy.deepcopy(lesson)

    def endless(x, epsilon=1e-3):
        while True:
            pass

    shown = course.check("normalize", endless)._repr_mimebundle_()
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in graded(executed)}
    cells["normalize_check"].outputs = [new_output("execute_result", shown)]
    cells["ex1_check"].outputs = [new_output("execute_result", course.check("ex1", "a")._repr_mimebundle_())]
    cells["update_moving"].outputs = [new_output("error", ename="CellTimeoutError", evalue="", traceback=[])]
    cells["freeze"].outputs = [new_output("error", ename="NameError", evalue="", traceback=[])]
    assert grade.what_did_not_end(lesson) == []
    assert grade.what_did_not_end(executed) == [
        "normalize was stopped after 5 seconds", "update_moving was stopped after 40 seconds"
    ]  # fmt: skip
