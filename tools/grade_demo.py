"""Show nbgrader at work: release notebook 07, grade three made-up submissions, compare with the grades they deserve.

Ends with an error where a grade is wrong. Everything is under build/grade-demo; no network is used.
"""

import copy
import json
import shutil
import sys
import time
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent))

from exercises import QUESTIONS, ROOT
from grade import ASSIGNMENT, NOTEBOOK, grade, make_course, table

from helpers.grading.course import questions_of

FOLDER = ROOT / "build" / "grade-demo"

# exercise → (the answer cell, the points it deserves). What is not named is left unanswered.
PARTIAL = {
    "ex1": ('ex1 = "b"', QUESTIONS["ex1"].points),
    "ex2": ('ex2 = "b"', QUESTIONS["ex2"].points / 2),  # before, but not for that reason
    "quiz1": ('quiz1 = "b"', 0),
    "normalize": (
        "def normalize(x, epsilon=1e-3):\n    x = np.asarray(x)\n"
        "    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0, ddof=1) + epsilon)",
        # In quarters of a point. ddof=1: a constant column gives 0 and the arguments stay, 1 part of 6.5.
        round(4 * QUESTIONS["normalize"].points * 1 / 6.5) / 4,
    ),
    "warm_up_steps": ("def warm_up_steps(momentum, fraction):\n    return 1 / 0", 0),
    "fold_batchnorm": (
        "def fold_batchnorm(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):\n"
        "    scale = gamma / np.sqrt(moving_variance + epsilon)\n    return kernel * scale, bias",
        round(4 * QUESTIONS["fold_batchnorm"].points * 2.5 / 7.5)
        / 4,  # the kernel and the untouched arguments, 2.5 parts of 7.5
    ),
    "update_moving": (
        "def update_moving(moving_mean, moving_variance, x, momentum=0.99):\n    x = np.asarray(x)\n"
        "    mix = lambda old, new: momentum * old + (1 - momentum) * new\n"
        "    return mix(moving_mean, x.mean(axis=0)), mix(moving_variance, x.var(axis=0, ddof=1))",
        QUESTIONS["update_moving"].points,  # the unbiased variance counts as right
    ),
}

# The solved notebook with these answers instead.
HOSTILE = {
    "normalize": ("def normalize(x, epsilon=1e-3):\n    while True:\n        pass", 0),
    "BatchNorm": ("class BatchNorm:\n    def __init__(self, *args, **options):\n        exit()", 0),
    "quiz1": ("quiz1 = ['a'] * 10**6", 0),
    "quiz2": ("import numpy as np\ncheck = lambda *_: 1000\nquiz2 = 'a'", 0),
    "update_moving": ("while True:\n    pass", 0),
    "fold_batchnorm": (
        "import os, sys, logging\nprint('noise', file=sys.stderr)\nlogging.warning('more noise')\n"
        "def fold_batchnorm(kernel, bias, gamma, beta, moving_mean, moving_variance, epsilon=1e-3):\n"
        "    os.write(2, b'noise that Python does not see\\n')\n    logging.error('and more')\n"
        "    scale = gamma / np.sqrt(moving_variance + epsilon)\n"
        "    return kernel * scale, (bias - moving_mean) * scale + beta",
        QUESTIONS["fold_batchnorm"].points,
    ),
    "train_step": ("def train_step(model, optimizer, loss_fn, x, y):\n    raise KeyboardInterrupt", 0),
}


def with_answers(notebook, answers):
    """A copy of the notebook with other answer cells."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell.source = answers[grade_id][0]
    return notebook


def hostile(solved):
    """A submission with everything that is known to upset nbgrader."""
    notebook = with_answers(solved, HOSTILE)
    cells = []
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cells.append(cell)
        if grade_id.startswith("batchnorm_forward"):  # answer and check, duplicated with their metadata
            cells.append(copy.deepcopy(cell))
            cells[-1].id = f"{cell.id[:12]}-copy"
        if grade_id.startswith("warm_up_steps"):
            del cell.metadata["nbgrader"]
    # A deleted check, and one that was edited to give full marks.
    notebook.cells = [cell for cell in cells if _id(cell) != "ex1_check"]
    for cell in notebook.cells:
        if _id(cell) == "ex2_check":
            cell.source = "2"
        if _id(cell) == "ex2":
            cell.source = 'ex2 = "c"'
    return notebook


def _id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def main():
    """From made-up submissions to the comparison of their grades: a demonstration is read from top to bottom."""
    begin = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    course, submissions = FOLDER / "course", FOLDER / "submissions"
    make_course(course)
    solved = nbformat.read(course / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    release = nbformat.read(course / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    for student, notebook in {
        "good": solved,
        "partial": with_answers(release, PARTIAL),
        "hostile": hostile(solved),
    }.items():
        (submissions / student).mkdir(parents=True)
        nbformat.write(notebook, submissions / student / f"{NOTEBOOK}.ipynb")
    fake = submissions / "hostile" / "helpers" / "grading"
    fake.mkdir(parents=True)
    for file in (fake.parent / "__init__.py", fake.parent / "data.py"):
        file.write_text("")
    (fake / "__init__.py").write_text("check = hint = solution = report = lambda *args, **options: 1000\n")
    (submissions / "unreadable.ipynb").write_text(json.dumps({"cells": "none"})[:-3])

    grades = grade(submissions, course)
    print(table(grades))

    full = {question.id: float(question.points) for question in questions_of(NOTEBOOK).values()}
    nothing = dict.fromkeys(full, 0.0)
    deserved = {
        "good": full,
        "partial": nothing | {name: points for name, (_, points) in PARTIAL.items()},
        "hostile": full | {"ex2": 0.0} | {name: points for name, (_, points) in HOSTILE.items()},
        "unreadable": nothing,
    }
    wrong = [
        f"{student}, {name}: {grades[student]['scores'].get(name)} instead of {points:g}"
        for student, scores in deserved.items()
        for name, points in scores.items()
        if abs(grades[student]["scores"].get(name, -1) - points) > 0.006
    ]
    for student in ("good", "partial", "hostile"):
        if not list((course / "feedback" / student).rglob("*.html")):
            wrong.append(f"{student}: no feedback page")
    if not (course / "grades.csv").is_file():
        wrong.append("no grades.csv")
    if wrong:
        sys.exit("Wrong grades:\n" + "\n".join(wrong))
    print(f"\nAll grades are right ({time.monotonic() - begin:.0f} s). Look around in {FOLDER}")


if __name__ == "__main__":
    main()
