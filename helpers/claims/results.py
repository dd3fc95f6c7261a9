"""The files that keep the verdicts: docs/results/<replication>/<claim>.json.

A replication is one run of the notebooks on one data set from one first seed: `digits`, `digits_seeds_from_100`, …
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import NamedTuple

from helpers import environment
from helpers.claims.lesson import CLAIMS
from helpers.claims.verdicts import Verdict, judge
from helpers.statistics import Interval

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


class Replication(NamedTuple):
    """The recorded verdicts of one data set and first seed. name: of its folder. title: for a reader."""

    name: str
    title: str
    verdicts: dict[str, Verdict]


def verdict(claim, evidence):
    """What the claim's rule makes of the evidence: a `Verdict`, which shows itself as a card.

    claim: "C1" to "C9". evidence: {name of measure: Interval}, exactly those that `CLAIMS[claim].measures` lists.
    The card also says what the recorded replications on other data or from other seeds came to.
    Raises ValueError where the claim is unknown, or a measure is missing, unknown, not an Interval of its unit, not
    finite, or stands on fewer than 8 seeds.
    """
    here = replication_name(os.environ.get("COURSE_DATA", "digits"))
    judged = judge(claim, evidence)
    # A learner may try another rule: then the files say what the old one said, and that is no error here.
    others = [_read_replication(folder, strict=False) for folder in _folders(RESULTS) if folder.name != here]
    found = {each.title: each.verdicts[claim] for each in others if claim in each.verdicts}
    return dataclasses.replace(judged, elsewhere=found)


def record(card, dataset, **settings):
    """Write the verdict to docs/results/<replication>/<claim>.json with its evidence, the versions and the data.

    dataset: the images it was measured on, as `helpers.data.load` returns them. settings: what the runs were made with,
    as text or numbers, such as `networks=repr(runs)`.
    Does nothing unless the environment variable COURSE_RECORD_RESULTS is 1, so that running a notebook changes no file.
    Raises ValueError where no setting says how the evidence was made.
    """
    if not settings:
        raise ValueError("record(card, dataset, ...) needs at least one setting, such as networks=repr(runs).")
    if os.environ.get("COURSE_RECORD_RESULTS") != "1":
        return
    content = {
        "claim": card.claim.name,
        "verdict": card.word,
        "reason": card.reason,
        "evidence": {name: dataclasses.asdict(interval) for name, interval in card.evidence.items()},
        "data": {
            "title": dataset.title,
            "source": dataset.source,
            "licence": dataset.licence,
            "call": dataset.origin,
            "sha256 of the images": dataset.sha256,
        },
        "seeds from": environment.first_seed(),
        "versions": environment.versions(),
        "settings": settings,
    }
    folder = RESULTS / replication_name(dataset.name)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / f"{card.claim.name}.json").write_text(text + "\n", encoding="utf-8")


def replication_name(data_name):
    """The name of the folder for this data set and the present first seed."""
    return data_name + (f"_seeds_from_{environment.first_seed()}" if environment.first_seed() else "")


def replications(folder=None):
    """All recorded replications, a list of `Replication` in the order of their names.

    folder: where their folders are, by default docs/results. Each verdict is judged again from its evidence by the
    present rule; raises ValueError where a file says something else than the rule: then its notebook must be run again.
    """
    return [_read_replication(path, strict=True) for path in _folders(folder or RESULTS)]


def _folders(results):
    return sorted(path for path in Path(results).glob("*") if any(path.glob("C*.json")))


def _read_replication(folder, *, strict):
    found, title = {}, ""
    for claim in CLAIMS.values():
        path = folder / f"{claim.name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            title = content["data"]["title"] + (", new seeds" if content["seeds from"] else "")
            evidence = {name: Interval(**fields) for name, fields in content["evidence"].items()}
            with contextlib.nullcontext() if strict else contextlib.suppress(ValueError):  # it asked for other measures
                found[claim.name] = judge(claim.name, evidence)
            says = (content["verdict"], content["reason"])
            if strict and says != (found[claim.name].word, found[claim.name].reason):
                raise ValueError(
                    f"{folder.name}/{path.name} does not say what the rule says; run {claim.notebook} again."
                )
    return Replication(folder.name, title, found)
