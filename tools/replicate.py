"""Run the notebooks that measure the claims on one data set, from one first seed, and record their verdicts.

    replicate.py DATA [--seeds-from NUMBER] [--scheduler ADDRESS]

DATA: digits, mnist or fashion_mnist. The verdicts go to docs/results/<replication>/, the executed notebooks to
build/replicate/<replication>/. Two cores are one notebook at a time; more cores run more of them side by side.
Interrupted, the same command goes on with the notebooks that are not done, unless their text or the helpers changed.
docs/verdicts.md explains it.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers.claims import CLAIMS  # noqa: E402
from helpers.claims.results import replication_name  # noqa: E402
from helpers.data import COURSE_DATA, load  # noqa: E402
from tools import build_notebooks  # noqa: E402

CORES_OF_A_NOTEBOOK = 2
CELL_DONE = "cell done"  # what a child process says after each cell


def measuring_notebooks():
    """The names of the notebooks that measure a claim and have a source, in the order of the course."""
    return sorted({claim.notebook for claim in CLAIMS.values()} & set(build_notebooks.source_names()))


def fingerprint(name):
    """What a notebook's results depend on, as one text: its own text, the helpers, the data and the seeds."""
    digest = hashlib.sha256("\n".join(cell.source for cell in build_notebooks.build(name).cells).encode())
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {load().sha256} {os.environ['SEEDS_FROM']}"


def run_notebook(name, folder):
    """Execute one notebook in a kernel of its own and note that it is done. Says so after each cell."""
    notebook = build_notebooks.build(name)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(build_notebooks.NOTEBOOKS)}},
        store_widget_state=False,
        on_cell_executed=lambda **_: print(CELL_DONE, flush=True),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        sys.exit(f"{error.ename}: {error.evalue}")
    nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / f"{name}.done").write_text(fingerprint(name), encoding="utf-8")


class Replication:
    """The notebooks to run, each in a process of its own, with one bar for all their cells."""

    def __init__(self, folder):
        self.folder, self.processes, self.lock = folder, [], threading.Lock()

    def run(self, names):
        """Run them; returns {name: what went wrong}."""
        cells = sum(cell.cell_type == "code" for name in names for cell in build_notebooks.build(name).cells)
        at_once = max(1, len(os.sched_getaffinity(0)) // CORES_OF_A_NOTEBOOK)
        with tqdm(total=cells, unit="cell") as self.bar, ThreadPoolExecutor(at_once) as pool:
            try:
                failures = dict(zip(names, pool.map(self._run_one, names), strict=True))
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                with self.lock:
                    for process in self.processes:
                        process.send_signal(signal.SIGINT)
                raise
        return {name: failure for name, failure in failures.items() if failure}

    def _run_one(self, name):
        """Why the notebook failed, or '' where it is done."""
        self.bar.set_description(name)
        command = [sys.executable, __file__, os.environ["COURSE_DATA"], "--notebook", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with self.lock:
            self.processes.append(process)
        for line in process.stdout:
            self.bar.update(line.strip() == CELL_DONE)
        errors = process.stderr.read().strip().splitlines()
        return "" if process.wait() == 0 else (errors or ["it ended without a word"])[-1]


def main(data, seeds_from, scheduler, only):
    os.environ |= {"COURSE_DATA": data, "SEEDS_FROM": str(seeds_from), "COURSE_RECORD_RESULTS": "1"}
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if scheduler:
        os.environ["SCHEDULER"] = scheduler
    folder = ROOT / "build" / "replicate" / replication_name(data)
    folder.mkdir(parents=True, exist_ok=True)
    if only:
        return run_notebook(only, folder)
    print(load())  # before anything runs: whether the images are there
    done = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.done")}
    names = [name for name in measuring_notebooks() if done.get(name) != fingerprint(name)]
    if not names:
        print("All notebooks are done.")
    try:
        failures = Replication(folder).run(names)
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not done.")
    if failures:
        sys.exit("\n".join(f"{name} stopped: {failure}" for name, failure in failures.items()))
    print(f"The verdicts are in docs/results/{replication_name(data)}; `make notebooks` puts them into the tables.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(COURSE_DATA))
    parser.add_argument("--seeds-from", type=int, default=int(os.environ.get("SEEDS_FROM", 0)), metavar="NUMBER")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that trains the sweeps")
    parser.add_argument("--notebook", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        main(arguments.data, arguments.seeds_from, arguments.scheduler, arguments.notebook)
    except ConnectionError as error:
        sys.exit(str(error))
