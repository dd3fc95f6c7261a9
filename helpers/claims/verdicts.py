"""From evidence to a verdict: the check of the evidence, and what the claim's rule makes of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from helpers.claims import cards
from helpers.claims.claim import Claim
from helpers.claims.lesson import CLAIMS
from helpers.statistics import Interval

MIN_SEEDS = 8


@dataclass(frozen=True)
class Verdict:
    """A claim, the evidence and what the rule makes of it. Shows itself as a card in a notebook.

    elsewhere: {title of a replication: its `Verdict` on the same claim}, for the card to compare with.
    """

    claim: Claim
    evidence: Mapping[str, Interval]
    word: str
    reason: str
    elsewhere: Mapping[str, "Verdict"] = field(default_factory=dict, compare=False)

    def __str__(self):
        return cards.text(self)

    __repr__ = __str__

    def _repr_markdown_(self):
        return cards.markdown(self)

    def _repr_html_(self):
        return cards.html(self)


def judge(claim, evidence):
    """What the rule of the claim, such as "C3", makes of {name of measure: Interval}: a `Verdict`, or a ValueError."""
    if claim not in CLAIMS:
        raise ValueError(f"The claims are {', '.join(CLAIMS)}; received {claim!r}.")
    claim = CLAIMS[claim]
    for name in [*claim.measures, *evidence]:
        _check_measure(claim, name, evidence)
    answers = {name: measure.answer(evidence[name]) for name, measure in claim.measures.items()}
    word, reason = claim.decide(**answers)
    return Verdict(claim, {name: evidence[name] for name in claim.measures}, word, reason)


def _check_measure(claim, name, evidence):
    if name not in evidence:
        raise ValueError(
            f"{claim.name} needs {', '.join(claim.measures)}; {name} is missing. "
            f"It is: {claim.measures[name].definition}."
        )
    if name not in claim.measures:
        raise ValueError(f"{claim.name} knows no measure {name!r}; it needs {', '.join(claim.measures)}.")
    interval, measure = evidence[name], claim.measures[name]
    if not isinstance(interval, Interval):
        raise ValueError(
            f"{name} must be an Interval, as mean_interval, paired_difference and share_interval return it; "
            f"received {type(interval).__name__}: {interval!r:.80}."
        )
    if interval.unit != measure.unit:
        raise ValueError(
            f"{name} must have the unit {measure.unit!r}, received {interval.unit!r}. It is: {measure.definition}."
        )
    if not all(map(math.isfinite, (interval.mean, interval.low, interval.high))):
        raise ValueError(f"{name} must be finite, received {interval}.")
    if interval.count < MIN_SEEDS:
        raise ValueError(f"A verdict needs at least {MIN_SEEDS} seeds; {name} stands on {interval.count}.")
