"""Graded exercises that say what went wrong: `check`, `hint`, `solution` and `report`.

Needs NumPy alone until a Keras question is checked.
"""

from helpers.grading.course import check, hint, report, solution
from helpers.grading.results import Case, Report, Result

__all__ = ["Case", "Report", "Result", "check", "hint", "report", "solution"]
