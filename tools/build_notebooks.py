"""Build and execute the notebooks from their sources: `build_notebooks.py [name ...]`, all of them without a name."""

import argparse
import hashlib
import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import links  # noqa: E402
from tools.exercises import BEGIN, strip_solutions  # noqa: E402

SOURCES = ROOT / "source"
NOTEBOOKS = ROOT / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"


def source_names():
    """The names of all notebooks in the order of the course."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def build(name):
    """The notebook that source/<name>.py describes, not executed, with its ids and the setup cell filled in.

    Raises FileNotFoundError with the names that exist where there is no such source.
    """
    path = SOURCES / f"{name}.py"
    if not path.is_file():
        raise FileNotFoundError(f"No source {name!r}. There are: {', '.join(source_names())}.")
    notebook = jupytext.read(path, fmt="py:percent")
    if any(BEGIN in cell.source for cell in notebook.cells):
        notebook = strip_solutions(notebook)  # what learners open
    title, _, rest = notebook.cells[0].source.partition("\n\n")
    notebook.cells[0].source = "\n\n".join(filter(None, [title, links.launch_line(name), rest]))
    seen = {}
    for cell in notebook.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = links.setup_cell()
            cell.metadata["jupyter"] = {"source_hidden": True}  # folded away, so that the lesson comes first
        # An id made from the text stays the same when cells are added or moved elsewhere.
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def with_stored_outputs(name):
    """The notebook that source/<name>.py describes, with the outputs of the stored one: after `make links`.

    Raises ValueError where other code than the setup cell's has changed, because then the outputs may be wrong.
    """
    notebook, stored = build(name), nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    new, old = ([cell for cell in cells if cell.cell_type == "code"] for cells in (notebook.cells, stored.cells))
    code = [[cell.source for cell in cells if "setup" not in cell.metadata.get("tags", [])] for cells in (new, old)]
    if code[0] != code[1]:
        raise ValueError(f"The code of {name} has changed, so its outputs can not be kept: make notebooks NAMES={name}")
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
    return notebook


def execute(notebook, folder=NOTEBOOKS):
    """Run every cell in a new kernel inside `folder`; an error in a cell stops with that cell's traceback."""
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.execute()
    metadata = notebook.metadata
    metadata.language_info = nbformat.from_dict({"name": "python"})  # the kernel's own names its exact version
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined([output for output in map(_without_widget, cell.outputs) if output is not None])
    return notebook


def _joined(outputs):
    """Neighbouring pieces of one stream as one output: where the kernel cut them depends on the moment."""
    joined = []
    for output in outputs:
        if joined and output.get("name") and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _without_widget(output):
    """The output as a page without a live kernel can show it; None for a bare widget such as a progress bar."""
    data = output.get("data", {})
    if WIDGET not in data:
        return output
    del data[WIDGET]
    return output if set(data) - {"text/plain"} else None


def keep_all_outputs(names):
    """Write these notebooks with new texts and their outputs of before: all of them or, with an error, none."""
    kept, problems = {}, []
    for name in names:
        try:
            kept[name] = with_stored_outputs(name)
        except (ValueError, FileNotFoundError) as error:
            problems.append(str(error))
    if problems:
        sys.exit("\n".join([*problems, "No notebook was written. Afterwards run `make links` again."]))
    for name, notebook in kept.items():
        _write(name, notebook)


def _write(name, notebook):
    nbformat.validate(notebook)
    nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")


def main(names, keep_outputs=False):
    if keep_outputs:
        return keep_all_outputs(names or source_names())
    os.environ["COURSE_RECORD_RESULTS"] = "1"  # only here do the notebooks write down their verdicts
    first, *others = source_names()
    bar = tqdm(names or [*others, first], disable=not sys.stderr.isatty())  # the first shows what the others found
    for name in bar:
        bar.set_description(name)
        _write(name, execute(build(name)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="such as 03_keras_sequential")
    parser.add_argument("--keep-outputs", action="store_true", help="execute nothing: only texts have changed")
    arguments = parser.parse_args()
    main(arguments.names, arguments.keep_outputs)
