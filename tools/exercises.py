"""The exercises' two notebooks: with solutions, for the instructor, and without, for the learner."""

import copy
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers.grading.course import NOTEBOOKS, QUESTIONS  # noqa: E402

NOTEBOOK, *_ = NOTEBOOKS  # the lesson's exercises, which are graded unless another notebook is named
BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
# One stub for code of every kind; nbgrader is given the same, so that both make the same learner's notebook.
STUB = "# YOUR CODE HERE"
_REGION = re.compile(rf"^([ \t]*)# {BEGIN}\n.*?^[ \t]*# {END}$", re.MULTILINE | re.DOTALL)


def strip_solutions(notebook):
    """A copy of a notebook without its solutions: the text from BEGIN SOLUTION to END SOLUTION becomes a stub.

    notebook: an nbformat NotebookNode. The nbgrader metadata stays, and check cells get the points of their questions.
    Raises ValueError where a region does not end.
    """
    notebook = with_points(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.source = _REGION.sub(rf"\1{STUB}", cell.source)
        if BEGIN in cell.source or END in cell.source:
            raise ValueError(f"A solution without its other end, in the cell that begins {cell.source[:60]!r}")
    return notebook


def with_points(notebook):
    """A copy of a notebook whose check cells carry the points of their questions, which stand nowhere else."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {})
        if graded.get("grade"):
            graded["points"] = QUESTIONS[graded["grade_id"].removesuffix("_check")].points
    return notebook
