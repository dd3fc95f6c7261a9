"""Predictions are compared by what they say, counted, and kept in one file."""

import json

import numpy as np
import pytest

from helpers import predictions


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """A file of one's own, and a kernel that has seen no prediction."""
    monkeypatch.setenv(predictions.VARIABLE, str(tmp_path / "mine.json"))
    monkeypatch.setattr(predictions, "_made_here", {})
    return tmp_path / "mine.json"


@pytest.mark.parametrize(
    ("predicted", "measured", "within", "came_true"),
    [
        ("As Before", "as before", 0, True),
        ("flat", "as before", 0, False),
        (True, "yes", 0, True),
        (False, True, 0, False),
        (3, 3.4, 0.5, True),
        (3, 3.6, 0.5, False),
        (np.float32(0.5), 0.5, 0, True),
        ((3, 4), (3.1, 4.2), 0.25, True),
        ((3, 4), (3.1, 5.2), 0.25, False),
        (["yes", "no"], ("yes", "no"), 0, True),
        ({"b", "A"}, {"a", "b"}, 0, True),
        ("a", {"a"}, 0, True),
        ({"a"}, {"a", "b"}, 0, False),
        ((1, 2, 3), (1, 2), 0, None),
        (4, {"a"}, 0, None),
        (3, (1, 2), 0, None),
        (None, "as before", 0, None),
    ],
)
def test_what_comes_true(predicted, measured, within, came_true):
    comparison = predictions.compare("02, step 2", predicted, measured, why="Because.", within=within)
    assert comparison.came_true is came_true
    assert repr(comparison).endswith("Because.")


def test_the_words_name_both_only_where_they_differ():
    say = lambda *pair: repr(predictions.compare("here", *pair, why="Why."))  # noqa: E731
    assert say("flat", "as before") == "You predicted: flat. Measured: as before. Why."
    assert say("as before", "as before") == "Your prediction came true: as before. Why."
    assert say(None, "as before") == "No prediction yet. Measured: as before. Why."
    assert say((1, 2, 3), (1.0, 2.25)) == "Your prediction, (1, 2, 3), cannot be compared. Measured: (1, 2.25). Why."


def test_the_summary_counts_and_names_the_surprises():
    assert "no predictions yet" in repr(predictions.summary())
    predictions.compare("02, step 1", 3, 3, why="")
    predictions.compare("02, step 2", "flat", "as before", why="")
    predictions.compare("02, step 3", None, 1, why="")
    assert repr(predictions.summary()) == (
        "1 of your 2 predictions came true. Surprises to read again: 02, step 2. Without a\nprediction: 1."
    )


def test_another_try_replaces_the_first():
    predictions.compare("02, step 2", "flat", "as before", why="")
    predictions.compare("02, step 2", "as before", "as before", why="")
    assert repr(predictions.summary_of_course()) == "1 of your 1 predictions came true."


def test_what_is_kept_is_read_by_another_kernel(file, monkeypatch):
    predictions.compare("02, step 2", np.float64(2), {1}, why="")
    predictions.compare("04, the gap", np.float64(2), 3, why="")
    monkeypatch.setattr(predictions, "_made_here", {})
    assert json.loads(file.read_text()) == {"04, the gap": {"predicted": "2", "measured": "3", "came_true": False}}
    assert "0 of your 1" in repr(predictions.summary_of_course())
    assert "no predictions yet" in repr(predictions.summary())


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_a_file_that_cannot_be_read_stops_nothing(file, text):
    file.write_text(text)
    assert predictions.compare("02, step 2", 1, 1, why="").came_true
    assert "no predictions yet" in repr(predictions.summary_of_course()) or file.read_text() != text


def test_a_folder_that_cannot_be_written_stops_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv(predictions.VARIABLE, str(tmp_path / "nowhere" / "mine.json"))
    assert predictions.compare("02, step 2", 1, 1, why="").came_true
