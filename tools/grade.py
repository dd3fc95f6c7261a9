"""Grade a folder of submissions with nbgrader: `grade.py SUBMISSIONS [--course FOLDER] [--notebook NAME]`.

SUBMISSIONS holds one notebook for each learner (`ada.ipynb`) or one folder for each, named after the learner, with the
notebook in it. Of a folder only the notebook is taken. The course folder gets the gradebook, the feedback as web pages
and `grades.csv`. One bad submission never stops the others: what could not be graded is named with its reason.
docs/instructors.md explains it.
"""

import argparse
import contextlib
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

from exercises import NOTEBOOK, NOTEBOOKS, ROOT, STUB, with_points  # noqa: E402
from grade_table import table, write_csv  # noqa: E402
from hand_ins import find_submissions, grade_id_of, read_notebook, repair  # noqa: E402

ASSIGNMENT = "exercises"
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


def make_course(folder, notebook=NOTEBOOK):
    """A course folder with the assignment generated from a notebook's source. Returns nbgrader's API for it."""
    from nbgrader.apps import NbGraderAPI

    # For a new gradebook nbgrader calls `alembic` by name, also where its environment was not activated.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    folder = Path(folder).resolve()
    (folder / "source" / ASSIGNMENT).mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    solved = with_points(jupytext.read(ROOT / "source" / f"{notebook}.py", fmt="py:percent"))
    solved.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    for cell in solved.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = (TOOLS / "setup_cell.py").read_text(encoding="utf-8").strip()
        if cell.metadata.get("nbgrader", {}).get("grade"):
            # The learner's `check` may be anything by now. nbgrader puts this text into every submission.
            cell.source = f"from helpers.grading import check\n\n{cell.source}"
    nbformat.write(solved, folder / "source" / ASSIGNMENT / f"{notebook}.ipynb")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    api = NbGraderAPI(config=config)
    _expect(api.generate_assignment(ASSIGNMENT, force=True))
    return api


def grade(submissions, course, notebook=NOTEBOOK):
    """Grade every submission of a notebook into the gradebook of `course`.

    Returns {learner: {"scores": {exercise: points}, "total": points, "remarks": [...]}}. Writes CSV and feedback pages.
    """
    # Before anything that a submission brings along, Python finds the course's own helpers.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    found, passed_over = find_submissions(submissions, notebook)
    for path, reason in passed_over.items():
        print(f"Not graded: {path.relative_to(submissions)} ({reason})", flush=True)
    course = Path(course).resolve()
    api = make_course(course, notebook)
    release = nbformat.read(course / "release" / ASSIGNMENT / f"{notebook}.ipynb", as_version=4)
    grades = {}
    warnings.filterwarnings("ignore", module="nbgrader")  # its own dealings with SQLAlchemy
    for number, (student, path) in enumerate(found.items(), 1):
        print(f"Grading {student} ({number} of {len(found)})", flush=True)  # some take minutes
        remarks = _grade_one(api, course, release, student, path, notebook)
        grades[student] = {"scores": _scores(api, student, notebook), "remarks": remarks}
        grades[student]["total"] = round(sum(grades[student]["scores"].values()), 2)
    write_csv(course / "grades.csv", grades)
    return grades


def _grade_one(api, course, release, student, path, notebook):
    """Grade one submission; returns the remarks. What goes wrong here is a remark, and no points."""
    target = course / "submitted" / student / ASSIGNMENT
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(course / step / student, ignore_errors=True)
    try:
        submission, remarks = repair(read_notebook(path), release)
        target.mkdir(parents=True)
        nbformat.write(submission, target / f"{notebook}.ipynb")
    except Exception as error:  # a broken file may fail in any way
        _forget(api, student)
        return [f"not graded: the notebook cannot be read ({type(error).__name__})"]
    result = api.autograde(ASSIGNMENT, student)
    if not result["success"]:
        _forget(api, student)
        return [*remarks, f"not graded: {_last_line(result)}"]
    graded = nbformat.read(course / "autograded" / student / ASSIGNMENT / f"{notebook}.ipynb", as_version=4)
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
        name = grade_id_of(cell) or "a cell of the learner's own"
        for output in cell.get("outputs", []):
            late = re.search(r"still running after (\d+) seconds", output.get("data", {}).get("text/markdown", ""))
            if late:
                remarks.append(f"{name.removesuffix('_check')} was stopped after {late[1]} seconds")
            elif output.get("ename") == "CellTimeoutError":
                remarks.append(f"{name} was stopped after {CELL_SECONDS} seconds")
    return remarks


def _scores(api, student, notebook):
    """Exercise → points, 0 where there is no grade."""
    from nbgrader.api import MissingEntry

    with api.gradebook as gradebook:
        cells = gradebook.find_notebook(notebook, ASSIGNMENT).grade_cells
        scores = {cell.name.removesuffix("_check"): 0.0 for cell in cells}
        try:
            graded = gradebook.find_submission_notebook(notebook, ASSIGNMENT, student).grades
        except MissingEntry:
            return scores
        scores |= {one.name.removesuffix("_check"): round(one.score, 2) for one in graded}
    return scores


def _expect(result):
    if not result["success"]:
        raise RuntimeError(f"nbgrader could not make the assignment: {result.get('log') or result.get('error')}")


def _last_line(result):
    """Why nbgrader failed, in one line."""
    log = "\n".join(filter(None, (result.get("log"), result.get("error"))))
    if "DeadKernelError" in log:
        return "its code ended the kernel"
    return (log.strip().splitlines() or ["no reason given"])[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--course", type=Path, default=ROOT / "build" / "course")
    parser.add_argument("--notebook", choices=NOTEBOOKS, default=NOTEBOOK, help="which notebook was handed in")
    arguments = parser.parse_args()
    try:
        grades = grade(arguments.submissions, arguments.course, arguments.notebook)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    print(f"\n{table(grades)}")
    print(f"\nGradebook, feedback pages and grades.csv: {arguments.course}")
