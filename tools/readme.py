"""Write what README.md and docs/verdicts.md take from results: the tables of claims and of luck, and a figure."""

import base64
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import claims  # noqa: E402

README = ROOT / "README.md"
VERDICTS = ROOT / "docs" / "verdicts.md"
NOTEBOOK = ROOT / "notebooks" / "01_internal_covariate_shift.ipynb"
CELL = "plots.percentiles_over_training(arms"  # the last line of the cell that shows the figure begins so
PICTURE = ROOT / "docs" / "static" / "hidden_values.png"


def figure():
    """The figure as PNG, and its description in words. Raises ValueError where the notebook does not show it."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code" and cell.source.splitlines()[-1].startswith(CELL):
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]["alt"]
    raise ValueError(f"{NOTEBOOK.name} has no cell that ends in {CELL}...) and shows a picture.")


def luck():
    """How often each rule says "supported" by luck, as a table."""
    rows = [f"| {name} | {100 * claims.supported_by_luck(name, worlds=10_000):.1f} % |" for name in claims.CLAIMS]
    return "\n".join(["| claim | *supported* by luck |", "|---|---|", *rows])


def filled(text, parts):
    """The text with the present parts, {name: content}, each between its markers.

    Raises ValueError where it does not hold each marker once, the start before the end.
    """
    for name, content in parts.items():
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        before, found, rest = text.partition(start)
        _, found_end, after = rest.partition(end)
        if not (found and found_end) or start in rest or end in before + after:
            raise ValueError(f"The text must hold {start} and after it {end}, each once.")
        text = f"{before}{start}\n\n{content}\n\n{end}{after}"
    return text


def readme_parts():
    """What README.md takes from the results: {name: content}."""
    picture = f"![{figure()[1]}]({PICTURE.relative_to(ROOT).as_posix()})"
    return {"figure": picture, "claims": claims.Table(links="notebooks/").markdown}


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8"), readme_parts()), encoding="utf-8")
    VERDICTS.write_text(filled(VERDICTS.read_text(encoding="utf-8"), {"luck": luck()}), encoding="utf-8")
    PICTURE.write_bytes(figure()[0])
