"""The lesson's claims: its own words, what would show them, the rule from intervals to a verdict, the literature.

The rules and the designs were settled in trial runs; the verdicts were then checked with seeds that had no part in
those. A notebook measures, and then

    card = claims.verdict("C3", {"order_relu": interval, ...})  # every measure that CLAIMS["C3"].measures names
    card                                                        # the card with its numbers
    claims.record(card, dataset, networks=repr(runs))           # writes docs/results/, in `make notebooks` only

`print(card)` and its Markdown carry the verdict and the reason without numbers: they read alike on every machine.
Each claim has a file of its own (c1_….py, …) with its measures and their bounds, its rule and its literature.
"""

from helpers.claims.claim import VERDICTS, Claim, Measure
from helpers.claims.lesson import CLAIMS
from helpers.claims.luck import supported_by_luck
from helpers.claims.results import record, replications, verdict
from helpers.claims.table import Table
from helpers.claims.verdicts import Verdict

__all__ = [
    "CLAIMS",
    "VERDICTS",
    "Claim",
    "Measure",
    "Table",
    "Verdict",
    "record",
    "replications",
    "supported_by_luck",
    "verdict",
]
