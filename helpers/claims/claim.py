"""What a claim of the lesson is, what it needs to have measured, and the four words of a verdict."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpers.statistics import UNITS, widened

SUPPORTED, CONDITIONS, NOT_SUPPORTED, CONTESTED = VERDICTS = (
    "supported",
    "supported with conditions",
    "not supported here",
    "contested",
)


@dataclass(frozen=True)
class Measure:
    """What a claim needs to know, and when the answer is yes: the whole interval lies above and/or below a bound.

    definition: what the interval measures. unit: as in `Interval`; above, below: in that unit (shares from 0 to 1).
    counted: whether it counts the runs for which something happened, and so has Wilson's interval.
    tries: how many measures of the claim could each alone bring the same "yes"; the interval is widened accordingly.
    """

    definition: str
    unit: str
    above: float = -math.inf
    below: float = math.inf
    counted: bool = False
    tries: int = 1

    def answer(self, interval):
        """True where the whole interval is inside the bounds, False where it is all outside, else None: undecided."""
        interval = widened(interval, self.tries)
        if self.above < interval.low and interval.high < self.below:
            return True
        return False if interval.high <= self.above or interval.low >= self.below else None

    @property
    def needs(self):
        """The bounds in words, such as `above 5 points`."""
        scale, suffix = UNITS[self.unit]
        bounds = {"above": self.above, "below": self.below}
        return " and ".join(
            f"{name} {scale * bound:g}{suffix}" for name, bound in bounds.items() if math.isfinite(bound)
        )


@dataclass(frozen=True)
class Claim:
    """One claim of the lesson.

    quotes: its sentences, word for word, the most telling one first. notebook: where it is measured.
    measures: {name: Measure}, what `evidence` must hold. decide: takes {name: True, False or None} and returns the
    verdict and the reason; its docstring is the rule in words. supporting, opposing: literature with citations.
    """

    name: str
    title: str
    notebook: str
    quotes: tuple[str, ...]
    measures: Mapping[str, Measure]
    decide: Callable
    supporting: tuple[str, ...]
    opposing: tuple[str, ...]

    @property
    def rule(self):
        """The rule in words."""
        return " ".join(inspect.getdoc(self.decide).split())
