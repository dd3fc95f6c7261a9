"""The table of all claims with the verdicts recorded so far."""

from helpers.claims.cards import SYMBOLS
from helpers.claims.lesson import CLAIMS
from helpers.claims.verdicts import recorded


class Table:
    """All claims with the verdicts recorded so far, as one table. Shows itself in a notebook; `markdown` is its text.

    folder: where the results files are, by default docs/results; links: what comes before a notebook's file name in
    its link.
    """

    def __init__(self, folder=None, links=""):
        cards = recorded(folder)
        rows = ["| | The lesson says | Verdict here | Why | Measured in |", "|---|---|---|---|---|"]
        for name, claim in CLAIMS.items():
            card = cards.get(name)
            word, why = (f"**{SYMBOLS[card.word]} {card.word}**", card.reason) if card else ("not measured yet", "")
            link = f"[{claim.notebook[:2]}]({links}{claim.notebook}.ipynb)"
            rows.append(f"| {name} | {claim.quotes[0]} | {word} | {why} | {link} |")
        self.markdown = "\n".join(rows)

    def __repr__(self):
        return self.markdown

    def _repr_markdown_(self):
        return self.markdown
