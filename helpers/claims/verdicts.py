"""From evidence to a verdict: the check of the evidence, the claim's rule, and the files that keep what came out."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import environment
from helpers.claims import cards
from helpers.claims.claim import Claim
from helpers.claims.lesson import CLAIMS
from helpers.statistics import Interval

MIN_SEEDS = 8
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@dataclass(frozen=True)
class Verdict:
    """A claim, the evidence and what the rule makes of it. Shows itself as a card in a notebook."""

    claim: Claim
    evidence: Mapping[str, Interval]
    word: str
    reason: str

    def __str__(self):
        return cards.text(self)

    __repr__ = __str__

    def _repr_markdown_(self):
        return cards.markdown(self)

    def _repr_html_(self):
        return cards.html(self)


def verdict(claim, evidence):
    """What the claim's rule makes of the evidence: a `Verdict`, which shows itself as a card.

    claim: "C1" to "C8". evidence: {name of measure: Interval}, exactly those that `CLAIMS[claim].measures` lists.
    Raises ValueError where the claim is unknown, or a measure is missing, unknown, not an Interval of its unit, not
    finite, or stands on fewer than 8 seeds.
    """
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


def record(card, **settings):
    """Write the verdict to docs/results/<claim>.json with its evidence, the versions and the settings, for the tables.

    settings: what the runs were made with, as text or numbers, such as `networks=repr(runs)`.
    Does nothing unless the environment variable COURSE_RECORD_RESULTS is 1, so that running a notebook changes no file.
    Raises ValueError where no setting says how the evidence was made.
    """
    if not settings:
        raise ValueError("record(card, ...) needs at least one setting, such as networks=repr(runs).")
    if os.environ.get("COURSE_RECORD_RESULTS") != "1":
        return
    content = {
        "claim": card.claim.name,
        "verdict": card.word,
        "reason": card.reason,
        "evidence": {name: dataclasses.asdict(interval) for name, interval in card.evidence.items()},
        "versions": environment.versions(),
        "settings": settings,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (RESULTS / f"{card.claim.name}.json").write_text(text + "\n", encoding="utf-8")


def recorded(folder=None):
    """{claim: Verdict} of all results files, each judged again from its evidence by the present rule.

    folder: where the files are, by default docs/results. Raises ValueError where a file says something else than the
    rule: then its notebook must be built again.
    """
    found = {}
    for name in CLAIMS:
        path = Path(folder or RESULTS) / f"{name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            found[name] = verdict(name, {key: Interval(**fields) for key, fields in content["evidence"].items()})
            if (found[name].word, found[name].reason) != (content["verdict"], content["reason"]):
                raise ValueError(f"{path.name} does not say what the rule says; build {CLAIMS[name].notebook} again.")
    return found
