"""Grade a folder of submissions with nbgrader: `grade.py SUBMISSIONS [--course FOLDER]`.

SUBMISSIONS holds one notebook for each learner (`ada.ipynb`) or one folder for each, named after the learner, with the
notebook in it. Of a folder only the notebook is taken. The course folder gets the gradebook, the feedback as web pages
and `grades.csv`. One bad submission never stops the others: what could not be graded is in the table with its reason.
docs/instructors.md explains it.
"""

import argparse
import contextlib
import copy
import csv
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

import jupytext
import nbformat
from traitlets.config.loader import PyFileConfigLoader

TOOLS = Path(__file__).resolve().parent
sys.path.insert(0, str(TOOLS))

from exercises import ROOT, STUB, with_points  # noqa: E402

NOTEBOOK, ASSIGNMENT = "07_exercises", "exercises"
CELL_SECONDS = 40
CONFIG = f'''c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "batchnorm"
# Of a submission the notebook counts and nothing else: a folder helpers/ of a learner's own would shadow the course's.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "helpers", "*.py"]
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
# Otherwise a single line on stderr, such as a log message of TensorFlow's, costs all points of its cell.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = "(?s).*"
# Seconds for one cell, for code outside of the checks: these have their own limit.
c.Execute.timeout = {CELL_SECONDS}
# Otherwise every kernel warns that others on the same machine could read along.
c.KernelManager.transport_encryption = "auto"
'''


def make_course(folder):
    """A course folder with the assignment generated from source/07_exercises.py. Returns nbgrader's API for it."""
    from nbgrader.apps import NbGraderAPI

    # For a new gradebook nbgrader calls `alembic` by name, also where its environment was not activated.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    folder = Path(folder).resolve()
    (folder / "source" / ASSIGNMENT).mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    notebook = with_points(jupytext.read(ROOT / "source" / f"{NOTEBOOK}.py", fmt="py:percent"))
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    for cell in notebook.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = (TOOLS / "setup_cell.py").read_text(encoding="utf-8").strip()
        if cell.metadata.get("nbgrader", {}).get("grade"):
            # The learner's `check` may be anything by now. nbgrader puts this text into every submission.
            cell.source = f"from helpers.grading import check\n\n{cell.source}"
    nbformat.write(notebook, folder / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    api = NbGraderAPI(config=config)
    _expect(api.generate_assignment(ASSIGNMENT, force=True))
    return api


def find_submissions(folder):
    """Learner's name → notebook, from a folder of notebooks or of folders.

    Raises FileNotFoundError where there is none, and ValueError where two come out with the same learner's name.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: expected one that holds the submissions.")
    found = {}
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith((".", "__")):  # .ipynb_checkpoints, __MACOSX: made by programs, not by learners
            continue
        if path.suffix == ".ipynb":
            student, notebook = _student(path.stem), path
        elif path.is_dir():
            notebooks = sorted(_notebooks(path), key=lambda one: (one.stem != NOTEBOOK, len(one.parts), one.name))
            student, notebook = _student(path.name), notebooks[0] if notebooks else path / f"{NOTEBOOK}.ipynb"
        else:
            continue
        if student in found:
            raise ValueError(f"Two submissions of {student!r}: {found[student]} and {notebook}. Rename one of them.")
        found[student] = notebook
    if not found:
        raise FileNotFoundError(f"No submissions in {folder}: expected notebooks, or folders named after the learners.")
    return found


def _notebooks(folder):
    """All notebooks below a learner's folder but the copies that Jupyter makes."""
    return (path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def _student(name):
    """A name that nbgrader takes: it may not begin or end with a space or hold a path separator."""
    return re.sub(r"[^\w.@-]+", "_", name).strip("_") or "unnamed"


def repair(submission, release):
    """A copy of a submission in which every graded cell can be found, and a list of what had to be mended.

    A cell whose id occurs twice keeps it in its last copy alone: nbgrader stops at two. A check cell that lost its
    metadata is known by its call of `check`, and an answer by standing above it; a check cell that is gone comes back.
    """
    submission, remarks = copy.deepcopy(submission), []
    seen = set()
    for cell in reversed(submission.cells):
        grade_id = _grade_id(cell)
        if grade_id in seen:
            remarks.append(f"{grade_id} stood there twice")
        if grade_id in seen or not cell.metadata.get("nbgrader"):
            cell.metadata.pop("nbgrader", None)
        elif grade_id:
            seen.add(grade_id)
    cells = submission.cells
    for wanted in release.cells:
        grade_id = _grade_id(wanted)
        if grade_id is None or grade_id in seen or not wanted.metadata.nbgrader["grade"]:
            continue
        question = grade_id.removesuffix("_check")
        call = re.compile(rf"""^\s*check\(\s*["']{question}["']""", re.MULTILINE)
        index = next((i for i, cell in enumerate(cells) if cell.cell_type == "code" and call.search(cell.source)), None)
        if index is None:
            remarks.append(f"{grade_id} was missing")
            cells.append(copy.deepcopy(wanted))
        else:
            remarks.append(f"{grade_id} had lost its metadata")
            cells[index].metadata["nbgrader"] = copy.deepcopy(wanted.metadata.nbgrader)
    return submission, sorted(set(remarks))


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def grade(submissions, course):
    """Grade every submission into the gradebook of `course`.

    Returns {learner: {"scores": {exercise: points}, "total": points, "remarks": [...]}}. Writes CSV and feedback pages.
    """
    # Before anything that a submission brings along, Python finds the course's own helpers.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    found = find_submissions(submissions)
    course = Path(course).resolve()
    api = make_course(course)
    release = nbformat.read(course / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    grades = {}
    warnings.filterwarnings("ignore", module="nbgrader")  # its own dealings with SQLAlchemy
    for number, (student, path) in enumerate(found.items(), 1):
        print(f"Grading {student} ({number} of {len(found)})", flush=True)  # some take minutes
        remarks = _grade_one(api, course, release, student, path)
        grades[student] = {"scores": _scores(api, student), "remarks": remarks}
        grades[student]["total"] = round(sum(grades[student]["scores"].values()), 2)
    _write_csv(course / "grades.csv", grades)
    return grades


def _grade_one(api, course, release, student, path):
    """Grade one submission; returns the remarks. What goes wrong here is a remark, and no points."""
    target = course / "submitted" / student / ASSIGNMENT
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(course / step / student, ignore_errors=True)
    try:
        submission, remarks = repair(nbformat.read(path, as_version=4), release)
        target.mkdir(parents=True)
        nbformat.write(submission, target / f"{NOTEBOOK}.ipynb")
    except Exception as error:  # a broken file may fail in any way
        _forget(api, student)
        return [f"not graded: the notebook can not be read ({type(error).__name__})"]
    result = api.autograde(ASSIGNMENT, student)
    if not result["success"]:
        _forget(api, student)
        return [*remarks, f"not graded: {_last_line(result)}"]
    graded = nbformat.read(course / "autograded" / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    remarks += what_did_not_end(graded)
    result = api.generate_feedback(ASSIGNMENT, student)
    return remarks if result["success"] else [*remarks, f"no feedback page: {_last_line(result)}"]


def _forget(api, student):
    """Take out of the gradebook what a learner got for an earlier hand-in, or for a part of this one."""
    from nbgrader.api import MissingEntry

    with api.gradebook as gradebook, contextlib.suppress(MissingEntry):
        gradebook.remove_submission(ASSIGNMENT, student)


def what_did_not_end(graded):
    """A remark for each cell of an executed submission that was stopped: its points alone do not tell why."""
    remarks = []
    for cell in graded.cells:
        name = _grade_id(cell) or "a cell of the learner's own"
        for output in cell.get("outputs", []):
            late = re.search(r"still running after (\d+) seconds", output.get("data", {}).get("text/markdown", ""))
            if late:
                remarks.append(f"{name.removesuffix('_check')} was stopped after {late[1]} seconds")
            elif output.get("ename") == "CellTimeoutError":
                remarks.append(f"{name} was stopped after {CELL_SECONDS} seconds")
    return remarks


def _scores(api, student):
    """Exercise → points, 0 where there is no grade."""
    from nbgrader.api import MissingEntry

    with api.gradebook as gradebook:
        cells = gradebook.find_notebook(NOTEBOOK, ASSIGNMENT).grade_cells
        scores = {cell.name.removesuffix("_check"): 0.0 for cell in cells}
        try:
            graded = gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student).grades
        except MissingEntry:
            return scores
        scores |= {one.name.removesuffix("_check"): round(one.score, 2) for one in graded}
    return scores


def _write_csv(path, grades):
    exercises = list(next(iter(grades.values()))["scores"])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["learner", "total", *exercises, "remarks"])
        for student, one in grades.items():
            writer.writerow([student, one["total"], *one["scores"].values(), "; ".join(one["remarks"])])


def _expect(result):
    if not result["success"]:
        raise RuntimeError(f"nbgrader could not make the assignment: {result.get('log') or result.get('error')}")


def _last_line(result):
    """Why nbgrader failed, in one line."""
    log = "\n".join(filter(None, (result.get("log"), result.get("error"))))
    if "DeadKernelError" in log:
        return "its code ended the kernel"
    return (log.strip().splitlines() or ["no reason given"])[-1]


def table(grades):
    """The grades as lines of text: one exercise a line, one learner a column, then the remarks."""
    students = list(grades)
    width = max(map(len, students), default=0) + 2
    lines = [" " * 20 + "".join(f"{student:>{width}}" for student in students)]
    for exercise in next(iter(grades.values()))["scores"]:
        lines.append(f"{exercise:<20}" + "".join(f"{grades[one]['scores'][exercise]:>{width}g}" for one in students))
    lines.append(f"{'total':<20}" + "".join(f"{grades[one]['total']:>{width}g}" for one in students))
    lines += [f"{student}: {'; '.join(one['remarks'])}" for student, one in grades.items() if one["remarks"]]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--course", type=Path, default=ROOT / "build" / "course")
    arguments = parser.parse_args()
    try:
        grades = grade(arguments.submissions, arguments.course)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    print(f"\n{table(grades)}")
    print(f"\nGradebook, feedback pages and grades.csv: {arguments.course}")
