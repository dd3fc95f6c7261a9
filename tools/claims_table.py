"""Write the table of claims, made from docs/results/, between its two markers in README.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import claims  # noqa: E402

README = ROOT / "README.md"
START, END = "<!-- claims:start -->", "<!-- claims:end -->"


def filled(text):
    """The text with the present table between the two markers.

    Raises ValueError where it does not hold each of them once, in this order.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or START in rest or END in before + after:
        raise ValueError(f"The text must hold {START} and after it {END}, each once.")
    return f"{before}{START}\n\n{claims.Table(claims.RESULTS, links='notebooks/').markdown}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
