"""Run every notebook where learners will: `run.py colab PYTHON` or `run.py binder PYTHON [notebook ...]`.

PYTHON is the interpreter of an environment with the versions of that place. On "colab" each notebook lies alone in an
empty folder, a stub of google.colab is loaded, and git finds a local copy of the course under its GitHub address. On
"binder" the notebooks run inside the course, on one core. A notebook fails by an error, by text on stderr, by a missing
picture, by a compared cell that prints something else than the stored one, by an Output widget, or by more than 1.2 GB
of memory.
"""

import argparse
import contextlib
import difflib
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.environments import published

MEMORY_LIMIT = 1200  # MB for one kernel; Binder promises 2 GB for everything
WIDGET = "application/vnd.jupyter.widget-view+json"
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"


def install_kernel(folder, python, environment):
    """Make "python3" mean the other environment's Python, with these variables, for the clients of this process."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "Python 3", "language": "python", "env": environment}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    os.environ["JUPYTER_PATH"] = str(folder)
    os.environ.pop("PYTHONPATH", None)


def google_colab(folder):
    """A folder for PYTHONPATH that makes every Python in it look like Colab's: google.colab is loaded."""
    (folder / "google" / "colab").mkdir(parents=True)
    (folder / "google" / "colab" / "__init__.py").touch()
    (folder / "sitecustomize.py").write_text("import google.colab\n")
    return {"PYTHONPATH": str(folder)}


def words(outputs):
    """What nbval would compare of a cell's outputs, as lines: its printed text and the words of its displays."""
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    shown = [output.data.get("text/plain", "") for output in outputs if "data" in output and not is_widget(output)]
    return "\n".join([printed, *shown]).splitlines()


def pictures(outputs):
    """How many of a cell's outputs are pictures."""
    return sum("image/png" in output.get("data", {}) for output in outputs)


def is_widget(output):
    """Whether it is shown live alone, as a progress bar is: the stored notebooks leave those out."""
    return WIDGET in output.data and "image/png" not in output.data


def complaints(notebook, stored, client):
    """What is wrong with an executed notebook, in words."""
    found = []
    for cell, before in zip(notebook.cells[: len(stored.cells)], stored.cells, strict=True):
        tags, outputs = cell.metadata.get("tags", []), cell.get("outputs", [])
        # What fails while a result shows itself does not stop the notebook.
        trouble = [out for out in outputs if out.get("name") == "stderr" or out.output_type == "error"]
        found += [f"{cell.source[:60]!r}: {out.get('text') or out.get('evalue')}" for out in trouble]
        if pictures(outputs) != pictures(before.get("outputs", [])):
            found.append(f"{cell.source[-60:]!r} shows {pictures(outputs)} pictures, not as many as stored")
        if cell.cell_type == "code" and not {"setup", "nbval-ignore-output"} & set(tags):
            if words(cell.outputs) != words(before.outputs):
                lines = words(before.outputs), words(cell.outputs)
                found += ["", *difflib.unified_diff(*lines, "stored", "now", lineterm="", n=0)]
    models = {state.get("_model_name") for state in client.widget_state.values()}
    if "OutputModel" in models:
        found.append("it holds an Output widget, which Colab stacks and nbclient waits for")
    return found


class Outcome(NamedTuple):
    """What became of one notebook: its complaints, its wall time in seconds, its kernel's peak memory in MB."""

    complaints: list[str]
    seconds: float
    peak: int
    said: str  # by the setup cell


def run(path, folder, timeout=900):
    """Execute the notebook inside `folder`, each cell within `timeout` seconds; returns its `Outcome`."""
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    begin, peak, found = time.monotonic(), 0, []
    try:
        client.execute()
    except CellExecutionError as error:
        found = [str(error)]
    else:
        peak = int(notebook.cells[-1].outputs[0].text)
        found = complaints(notebook, stored, client)
        if peak > MEMORY_LIMIT:
            found.append(f"its kernel took {peak} MB, more than {MEMORY_LIMIT}")
    setup = next(cell for cell in notebook.cells if "setup" in cell.metadata.get("tags", []))
    said = "".join(output.get("text", "") for output in setup.outputs).strip()
    return Outcome(found, time.monotonic() - begin, peak, said)


def main(place, python, names):
    with tempfile.TemporaryDirectory() as scratch, contextlib.suppress(KeyboardInterrupt):
        scratch = Path(scratch)
        course = published.copy_course(scratch / "course")
        environment = {}
        if place == "colab":
            published.stamp(course, names)
            environment = published.publish(course, scratch / "course.git") | google_colab(scratch / "stub")
        else:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the kernels inherit it
        install_kernel(scratch / "jupyter", python, environment)
        paths = [path for path in sorted((course / "notebooks").glob("*.ipynb")) if not names or path.stem in names]
        folders = [path.parent for path in paths]
        if place == "colab":
            folders = [scratch / "content" / path.stem for path in paths]
            for path, folder in zip(paths, folders, strict=True):
                folder.mkdir(parents=True)
                shutil.copy(path, folder)
        failed = {}
        with ThreadPoolExecutor(2 if place == "colab" else 1) as pool:  # two cores there, one on Binder
            for path, (found, seconds, peak, said) in zip(paths, pool.map(run, paths, folders), strict=True):
                state = "failed" if found else "ok"
                print(f"{path.stem:<28} {state:<7} {seconds:4.0f} s  {peak:5d} MB  {said}", flush=True)
                if found:
                    failed[path.stem] = found
        for name, found in failed.items():
            print(f"\n{name}:", *found, sep="\n")
        return 1 if failed else 0
    return 130


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", choices=["colab", "binder"])
    parser.add_argument("python", type=Path)
    parser.add_argument("names", nargs="*", metavar="notebook")
    arguments = parser.parse_args()
    sys.exit(main(arguments.place, arguments.python.absolute(), arguments.names))
