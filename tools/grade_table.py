"""The grades of a class as a table for the terminal and as a file for a learning platform."""

import csv
import shutil
import textwrap

from exercises import QUESTIONS

WIDTH = 120  # columns of a terminal, where it does not say
QUARTERS = {0.0: "", 0.25: "¼", 0.5: "½", 0.75: "¾"}


def table(grades, width=None):
    """The grades as lines of text: a learner a line, the total first, then a column for each question; then remarks.

    grades: as `grade` returns them. width: columns of the terminal, by default those that it has.
    """
    width = width or shutil.get_terminal_size((WIDTH, 24)).columns
    questions = list(next(iter(grades.values()))["scores"])
    columns = [QUESTIONS[name].short for name in questions]
    room = max(10, width - len(" total") - 4 * len(columns) - 1)
    name_width = min(room, max(7, *map(len, grades)))
    lines = [f"{'learner':<{name_width}} total " + " ".join(f"{short:>3}" for short in columns)]
    for learner, one in grades.items():
        scores = " ".join(f"{_points(score):>3}" for score in one["scores"].values())
        lines.append(f"{_shortened(learner, name_width):<{name_width}} {_points(one['total']):>5} {scores}")
    legend = " · ".join(f"{short} {name}" for short, name in zip(columns, questions, strict=True))
    remarks = [f"{learner}: {'; '.join(one['remarks'])}" for learner, one in grades.items() if one["remarks"]]
    return "\n".join([*lines, "", *textwrap.wrap(legend, width), *([""] * bool(remarks)), *remarks])


def write_csv(path, grades):
    """Write one line a learner, with the columns that Canvas asks for; Moodle lets you say what each column is.

    The login is the learner's name as it was handed in. Remarks go to a file beside it, because a platform would take
    them for an assignment.
    """
    questions = list(next(iter(grades.values()))["scores"])
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Batch Normalization", *questions]
    rows = [[name, "", "", name, "", one["total"], *one["scores"].values()] for name, one in grades.items()]
    _write_rows(path, [head, *rows])
    remarks = [[name, remark] for name, one in grades.items() for remark in one["remarks"]]
    _write_rows(path.with_name("remarks.csv"), [["Student", "Remark"], *remarks])


def _write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _points(score):
    """Points in at most three characters where they are quarters, as `check` gives them: 5¾."""
    whole, part = divmod(score, 1)
    if part not in QUARTERS:
        return f"{score:g}"
    return f"{whole:g}{QUARTERS[part]}" if whole or not part else QUARTERS[part]


def _shortened(name, width):
    return name if len(name) <= width else f"{name[: width - 1]}…"
