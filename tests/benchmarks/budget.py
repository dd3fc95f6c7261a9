"""What the course costs a machine: python -m tests.benchmarks.budget, or `make budget`; about half an hour.

Runs every notebook alone, on two cores and on one, and then the benchmarks; prints the tables and writes them to
docs/performance.md with the machine they are from. Run it on a machine that has nothing else to do.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

from helpers import environment
from tests.environments import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
SECONDS, MEGABYTES = 75, run.MEMORY_LIMIT  # of one notebook, on two cores
BENCHMARKS = {
    "Many seeds at once against a loop of `fit`": ["tests.benchmarks.bench_training"],
    "The NumPy layer and the explorers": ["tests.benchmarks.bench_batchnorm"],
    "The checks of the exercises": ["tests.benchmarks.bench_grading", "--submission"],
}


def on_cores(count, path):
    """The `Outcome` of the notebook with this process, and so its kernel, on `count` cores."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:count])
    try:
        return run.run(path, path.parent)
    finally:
        os.sched_setaffinity(0, all_cores)


def two_at_a_time(paths):
    """Wall seconds of all notebooks on two cores, two kernels at a time, as `make test` runs them."""
    begin = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda path: run.run(path, path.parent), reversed(paths)))
    assert not any(outcome.complaints for outcome in outcomes), outcomes
    return time.monotonic() - begin


def compared(path):
    """The share of code cells that nbval compares."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return sum("nbval-ignore-output" not in cell.metadata.get("tags", []) for cell in cells) / len(cells)


def notebooks_table(paths):
    """Markdown: a row for each notebook, and their sum. Raises RuntimeError where one does not run."""
    lines = [
        "| notebook | two cores | one core | peak memory | size | cells compared |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    totals = [0.0, 0.0]
    for path in tqdm(paths, unit="notebook"):
        outcomes = [on_cores(count, path) for count in (2, 1)]
        for outcome in outcomes:
            if outcome.complaints:
                raise RuntimeError(f"{path.stem}: " + "\n".join(outcome.complaints))
        seconds, peak = [outcome.seconds for outcome in outcomes], max(outcome.peak for outcome in outcomes)
        totals = [total + own for total, own in zip(totals, seconds, strict=True)]
        over = "" if seconds[0] <= SECONDS and peak <= MEGABYTES else " **over**"
        lines.append(
            f"| {path.stem}{over} | {seconds[0]:.0f} s | {seconds[1]:.0f} s | {peak} MB "
            f"| {path.stat().st_size / 1e3:.0f} kB | {compared(path):.0%} |"
        )
    lines.append(f"| one after another | {totals[0]:.0f} s | {totals[1]:.0f} s | | | |")
    lines.append(f"| two at a time, as `make test` runs them | {two_at_a_time(paths):.0f} s | | | | |")
    return "\n".join(lines)


def imports_table():
    """Markdown: seconds to import the course's modules in a fresh process, the median of three."""
    lines = ["| import | seconds |", "|---|--:|"]
    for module in (
        "helpers",
        "helpers.data",
        "helpers.batchnorm",
        "helpers.grading",
        "helpers.plots",
        "helpers.training",
    ):
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        command = [sys.executable, "-c", code]
        times = [float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout) for _ in range(3)]
        lines.append(f"| `{module}` | {statistics.median(times):.2f} |")
    return "\n".join(lines)


def machine():
    """The machine in one sentence."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, "
        f"{platform.system()}. {environment.versions()}."
    )


def benchmark(module, *arguments):
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main():
    with tempfile.TemporaryDirectory() as scratch:
        run.install_kernel(Path(scratch), sys.executable, {"PYTHONPATH": str(ROOT)})
        notebooks = notebooks_table(sorted((ROOT / "notebooks").glob("*.ipynb")))
    parts = [
        "# Time and memory",
        "Written by `make budget`. Measured on: " + machine(),
        "## The notebooks\n\nEach alone in a new kernel, from its start to its end. The last column: the share of code "
        "cells whose output the tests compare with the stored one.",
        notebooks,
        "## Imports",
        imports_table(),
    ]
    for heading, command in tqdm(BENCHMARKS.items(), unit="benchmark"):
        parts.append(f"## {heading}\n\n`python -m {' '.join(command)}`\n\n```text\n{benchmark(*command)}\n```")
    text = "\n\n".join(parts) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
