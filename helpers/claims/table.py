"""The table of all claims with the verdicts recorded so far, a column for each replication."""

from helpers.claims.cards import SYMBOLS
from helpers.claims.lesson import CLAIMS
from helpers.claims.results import replications


class Table:
    """All claims with their verdicts, a column for each replication. Shows itself; `markdown` is its text.

    Under the table stands the reason for each verdict. The columns are narrow enough for a telephone.
    folder: where the results files are, by default docs/results; links: what comes before a notebook's file name in
    its link.
    """

    def __init__(self, folder=None, links=""):
        self.columns = replications(folder)
        titles = [each.title for each in self.columns] or ["Verdict here"]
        rows = [f"| | The lesson says | {' | '.join(titles)} |", "|---" * (2 + len(titles)) + "|"]
        reasons = []
        for name, claim in CLAIMS.items():
            words = [self._word(each, name) for each in self.columns] or ["not measured yet"]
            rows.append(f"| [{name}]({links}{claim.notebook}.ipynb) | {claim.quotes[0]} | {' | '.join(words)} |")
            reasons.append(f"- **{name}**, measured in [{claim.notebook[:2]}]({links}{claim.notebook}.ipynb): "
                           f"{self._reasons(name)}")  # fmt: skip
        self.markdown = "\n".join([*rows, "", *reasons])

    @staticmethod
    def _word(replication, name):
        found = replication.verdicts.get(name)
        return f"**{SYMBOLS[found.word]}** {found.word}" if found else "not measured yet"

    def _reasons(self, name):
        """The reason of the first replication, and those of the others where they differ."""
        found = {each.title: each.verdicts[name].reason for each in self.columns if name in each.verdicts}
        if not found:
            return "not measured yet."
        first = next(iter(found.values()))
        others = [f"*{title}:* {reason}" for title, reason in found.items() if reason != first]
        return " ".join([first, *others])

    def __repr__(self):
        return self.markdown

    def _repr_markdown_(self):
        return self.markdown
