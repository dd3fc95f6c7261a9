"""The learner's predictions: each compared with what was measured, and all of them counted.

They are kept in one small file beside the notebooks and go nowhere else. The environment variable COURSE_PREDICTIONS
names another file.
"""

import json
import os
import textwrap
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

VARIABLE = "COURSE_PREDICTIONS"
FILE = Path(__file__).parents[1] / "notebooks" / "my_predictions.json"

_made_here = {}  # of this kernel: place → Comparison


@dataclass(frozen=True)
class Comparison:
    """A prediction beside what was measured.

    place: where the question stands, such as "02, step 2". came_true: None where nothing was predicted, or where
    prediction and measurement are things of different kinds. why: what most people guess, and the reason for what
    comes out.
    """

    place: str
    predicted: object
    measured: object
    came_true: bool | None
    why: str

    def __repr__(self):
        measured = f"Measured: {in_words(self.measured)}."
        if self.came_true:
            measured = f"Your prediction came true: {in_words(self.measured)}."
        elif self.predicted is None:
            measured = f"No prediction yet. {measured}"
        elif self.came_true is None:
            measured = f"Your prediction, {in_words(self.predicted)}, cannot be compared. {measured}"
        else:
            measured = f"You predicted: {in_words(self.predicted)}. {measured}"
        return textwrap.fill(f"{measured} {self.why}", 88)


def compare(place, predicted, measured, *, why, within=0.0):
    """Compare a prediction with what was measured, and count it.

    place: where the question stands, such as "02, step 2"; a later comparison in the same place replaces the one
    before. predicted: what the learner wrote, None for nothing. measured: a number, a word, a truth value, a set, or
    a tuple of those. why: a sentence or two. within: how far a number may be away, in the unit of `measured`.
    Returns a Comparison.
    """
    came_true = None if predicted is None else _agree(predicted, measured, within)
    comparison = Comparison(place, predicted, measured, came_true, why)
    _made_here[place] = comparison
    if came_true is not None:
        _keep(comparison)
    return comparison


def in_words(value):
    """A prediction or a measurement as one reads it aloud."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (set, frozenset)):
        return ", ".join(sorted(map(in_words, value))) or "none"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(in_words, value))})"
    if isinstance(value, Real):
        return f"{value:.3g}"
    return str(value)


def _agree(predicted, measured, within):
    """Whether they are the same; None where they are things of different kinds."""
    if isinstance(measured, (tuple, list)):
        if not isinstance(predicted, (tuple, list)) or len(predicted) != len(measured):
            return None
        parts = [_agree(*pair, within) for pair in zip(predicted, measured, strict=True)]
        return None if None in parts else all(parts)
    if isinstance(measured, (set, frozenset)):
        alone = {predicted} if isinstance(predicted, str) else predicted
        return {*map(_plain, alone)} == {*map(_plain, measured)} if isinstance(alone, (set, list, tuple)) else None
    if isinstance(measured, str) or isinstance(predicted, str):
        return _plain(in_words(predicted)) == _plain(in_words(measured))
    if isinstance(predicted, Real) and isinstance(measured, Real):
        return bool(abs(predicted - measured) <= within)
    return None


def _plain(word):
    return " ".join(str(word).lower().split())


# Counting -----------------------------------------------------------------------------------------------------------


def summary():
    """How many predictions came true since this kernel started, and which to read again, in words."""
    made = {place: one.came_true for place, one in _made_here.items() if one.came_true is not None}
    open_ones = len(_made_here) - len(made)
    return Summary(made, open_ones)


def summary_of_course():
    """The same for all notebooks, from the file that they share."""
    return Summary({place: one["came_true"] for place, one in _kept().items()}, 0)


@dataclass(frozen=True)
class Summary:
    """made: place → whether the prediction came true. without: how many questions have no prediction."""

    made: dict
    without: int

    def __repr__(self):
        if not self.made:
            return "You have made no predictions yet. Each of them turns a result into an answer."
        true = sum(self.made.values())
        text = f"{true} of your {len(self.made)} predictions came true."
        surprises = [place for place, came_true in sorted(self.made.items()) if not came_true]
        if surprises:
            text += f" Surprises to read again: {'; '.join(surprises)}."
        if self.without:
            text += f" Without a prediction: {self.without}."
        return textwrap.fill(text, 88)


def _file():
    return Path(os.environ.get(VARIABLE) or FILE)


def _kept():
    """place → what is kept of a Comparison; nothing where there is no file, or none that can be read."""
    try:
        kept = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep(comparison):
    """Write it to the file. A folder that cannot be written to costs the count of the course and nothing else."""
    kept = _kept()
    kept[comparison.place] = {
        "predicted": in_words(comparison.predicted),
        "measured": in_words(comparison.measured),
        "came_true": comparison.came_true,
    }
    try:
        _file().write_text(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    except OSError:
        return
