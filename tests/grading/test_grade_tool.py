"""The grading tool: files as Windows editors save them, what is passed over, and a table that a class fits into."""

import csv
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from helpers.grading.course import QUESTIONS, questions_of
from tools import grade  # puts tools/ on the path
from tools.grade import find_submissions, read_notebook, table, write_csv

ROOT = Path(__file__).resolve().parents[2]
TEXT = nbformat.writes(new_notebook(cells=[new_markdown_cell("Grüße, 你好")]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark"])
def test_notebooks_are_read_as_windows_editors_save_them(tmp_path, encoding):
    name, _, mark = encoding.partition(" with ")
    path = tmp_path / "ada.ipynb"
    path.write_bytes((("\ufeff" if mark else "") + TEXT).encode(name))
    assert read_notebook(path).cells[0].source == "Grüße, 你好"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"no JSON", TEXT.encode()[:-5], b"\xff\xff\xff"])
def test_what_is_no_notebook_is_not_read(tmp_path, content):
    (tmp_path / "ada.ipynb").write_bytes(content)
    with pytest.raises(Exception):  # noqa: B017, PT011
        read_notebook(tmp_path / "ada.ipynb")


def test_what_is_not_graded_is_named_with_its_reason(tmp_path):
    for name in ("ada.ipynb", "07_exercises.ipynb.txt", "class.zip", ".DS_Store", "bob/07_exercises.ipynb",
                 "bob/old.ipynb", "bob/notes.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found, passed_over = find_submissions(tmp_path)
    assert list(found) == ["ada", "bob"]
    assert {path.name: reason for path, reason in passed_over.items()} == {
        "07_exercises.ipynb.txt": "no notebook: its name does not end in .ipynb",
        "class.zip": "no notebook: its name does not end in .ipynb",
        ".DS_Store": "made by a program, not by a learner",
        "old.ipynb": "07_exercises.ipynb is graded for bob",
    }


def test_a_folder_with_nothing_to_grade_says_what_lies_there(tmp_path):
    (tmp_path / "07_exercises.ipynb.txt").write_text(TEXT)
    command = [sys.executable, "tools/grade.py", str(tmp_path), "--course", str(tmp_path / "course")]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "07_exercises.ipynb.txt: no notebook: its name does not end in .ipynb." in answer.stderr


@pytest.mark.parametrize(("name", "student"), [
    ("=1+2", "1_2"), ("-x", "x"), ("@sum", "sum"), ("+x", "x"), ("O'Brien", "O_Brien"), ("Jürgen Ödön", "Jürgen_Ödön"),
    ("ada@uni.edu", "ada@uni.edu"), ("--", "unnamed"),
])  # fmt: skip
def test_a_name_is_no_formula(tmp_path, name, student):
    (tmp_path / name).mkdir()
    (tmp_path / name / "07_exercises.ipynb").write_text("{}")
    assert list(find_submissions(tmp_path)[0]) == [student]


def grades_of(count):
    names = ["ada", "a_learner_whose_name_is_as_long_as_names_get", *(f"learner_{i:03}" for i in range(count - 2))]
    full = {
        name: question.points - 0.25 * (name == "freeze") for name, question in questions_of(grade.NOTEBOOK).items()
    }
    return {name: {"scores": full, "total": sum(full.values()), "remarks": ["late"] if name == "ada" else []}
            for name in names}  # fmt: skip


@pytest.mark.parametrize("width", [120, 100])
def test_a_hundred_learners_fit_a_terminal(width):
    lines = table(grades_of(100), width).splitlines()
    assert max(map(len, lines)) <= width
    head, first, second = lines[:3]
    assert head.split() == ["learner", "total", *(question.short for question in questions_of(grade.NOTEBOOK).values())]
    assert first.split()[:3] == ["ada", "66¾", "2"]
    assert first.split()[-2] == "4¾"
    assert second.split()[0].endswith("…") or second.startswith("a_learner_whose_name_is_as_long_as_names_get")
    assert len(lines) - 100 < 8
    assert "nor normalize" in " ".join(lines[101:])
    assert lines[-1] == "ada: late"


def test_more_questions_still_fit(monkeypatch):
    twice = {f"{name}{i}": question for i in range(2) for name, question in QUESTIONS.items()}
    monkeypatch.setattr(sys.modules["grade_table"], "QUESTIONS", twice)
    scores = dict.fromkeys(list(twice)[:26], 7.75)
    lines = table({"ada_lovelace_the_first": {"scores": scores, "total": 201.5, "remarks": []}}, 120).splitlines()
    assert max(map(len, lines)) <= 121
    assert lines[1].startswith("ada_lovel…  201½  7¾")


def test_every_question_has_a_short_name_of_its_own():
    short = [question.short for question in QUESTIONS.values()]
    assert all(len(name) == 3 for name in short)
    assert len(set(short)) == len(short)


def test_the_file_has_a_line_a_learner_and_the_columns_of_a_platform(tmp_path):
    grades = grades_of(3)
    write_csv(tmp_path / "grades.csv", grades)
    with (tmp_path / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["SIS Login ID"] for row in rows] == list(grades)
    assert list(rows[0])[:6] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Batch Normalization"]
    assert float(rows[0]["Batch Normalization"]) == grades["ada"]["total"]
    assert float(rows[0]["freeze"]) == 4.75
    assert (tmp_path / "remarks.csv").read_text().splitlines() == ["Student,Remark", "ada,late"]
    assert grade.NOTEBOOK == "07_exercises"
