"""The stored notebooks: equal to their sources, executed in order, clean, small, and mostly compared by nbval."""

import ast
from pathlib import Path

import nbformat
import pytest

from tools import build_notebooks

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_source_has_its_notebook_and_no_other_is_there():
    assert [path.stem for path in NOTEBOOKS] == build_notebooks.source_names()


def test_equal_to_its_source(path, notebook):
    built = build_notebooks.build(path.stem)
    as_text = lambda nb: [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in nb.cells]  # noqa: E731
    assert as_text(notebook) == as_text(built), f"run: make notebooks NAMES={path.stem}"


def test_building_twice_gives_the_same_ids(path):
    ids = [cell.id for cell in build_notebooks.build(path.stem).cells]
    assert ids == [cell.id for cell in build_notebooks.build(path.stem).cells]
    assert len(set(ids)) == len(ids)


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(FileNotFoundError, match="00_start_here"):
        build_notebooks.build("99_nothing")


def test_executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_error_and_nothing_on_stderr(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"{cell.source}\n{output.text}"


def test_holds_no_widget_no_time_and_no_machine(path, notebook):
    text = path.read_text()
    assert build_notebooks.WIDGET not in text
    assert "widget-state" not in text
    assert "iopub." not in text
    assert str(Path.home()) not in text
    assert notebook.metadata.language_info == {"name": "python"}


def test_small_enough(path):
    assert path.stat().st_size < 2e6


def test_most_cells_are_compared(notebook):
    cells = code_cells(notebook)
    ignored = [cell for cell in cells if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) <= 0.4 * len(cells)


def test_a_cell_that_shows_a_bar_is_not_compared(notebook):
    # The bar is a widget while the cell runs, and gone from the stored output.
    for cell in code_cells(notebook):
        code = "\n".join(line for line in cell.source.splitlines() if not line.startswith(("def ", "from ", "    ")))
        if any(call in code for call in ("train_many(", "sweep(", "TqdmCallback(")) and "progress=False" not in code:
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), cell.source


def test_every_assert_says_what_it_found(notebook):
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.Assert) or node.msg is not None, ast.unparse(node)


def test_a_hidden_cell_is_hidden_everywhere_and_says_what_it_draws(notebook):
    for cell in code_cells(notebook):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        if "setup" not in cell.metadata.get("tags", []):
            assert folded == ("hide-input" in cell.metadata.get("tags", [])), cell.source
            assert folded == (cell.metadata.get("cellView") == "form"), cell.source  # how Colab folds a cell
            assert not folded or cell.source.startswith("# Draws "), cell.source
            assert not folded or len(cell.source.strip().splitlines()) <= 20, cell.source


def test_no_cell_is_skipped_or_expected_to_fail(notebook):
    allowed = {"nbval-ignore-output", "setup", "hide-input"}
    assert {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])} <= allowed


@pytest.mark.parametrize("text", ["README.md", "source/00_start_here.py"])
def test_the_map_gives_each_notebook_its_own_minutes(text):
    import re

    lines = (build_notebooks.ROOT / text).read_text().splitlines()
    for name in build_notebooks.source_names():
        heading = re.search(r"\*\*Time:\*\* about (\d+) minutes", (build_notebooks.SOURCES / f"{name}.py").read_text())
        rows = [line for line in lines if f"{name}.ipynb)" in line and line.rstrip().endswith("|")]
        given = [re.search(r"\| (\d+) \|$", row) for row in rows]
        assert all(match[1] == heading[1] for match in given if match), f"{text}: {name} takes {heading[1]} minutes"
        assert any(given) or name.startswith("00"), f"{text} has no row with the minutes of {name}"
