"""One command measures all claims on other data: it records, goes on where it stopped, and names what failed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.claims import CLAIMS
from tests.environments import published

# A notebook that records made-up verdicts for its claims, in place of one that trains for a minute.
SOURCE = """# %%
import pathlib, time
from helpers import claims
from helpers.data import load
from helpers.statistics import Interval

dataset = load()
{before}
for name, claim in claims.CLAIMS.items():
    if claim.notebook == "{notebook}":
        made_up = {{key: Interval(1.0, 0.9, 1.1, 8, measure.unit) for key, measure in claim.measures.items()}}
        claims.record(claims.verdict(name, made_up), dataset, networks="made up")
"""
NOTEBOOKS = sorted({claim.notebook for claim in CLAIMS.values()})


@pytest.fixture
def course(tmp_path):
    """A copy of the course whose measuring notebooks take a moment."""
    copy = published.copy_course(tmp_path / "course")
    for notebook in NOTEBOOKS:
        write(copy, notebook)
    return copy


@pytest.fixture
def short_course(course):
    """One with three of them only."""
    for notebook in NOTEBOOKS[3:]:
        (course / "source" / f"{notebook}.py").unlink()
    return course


def write(course, notebook, before=""):
    (course / "source" / f"{notebook}.py").write_text(SOURCE.format(notebook=notebook, before=before))


def replicate(course, *arguments):
    command = [sys.executable, "tools/replicate.py", *arguments]
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SEEDS_FROM")}
    return subprocess.Popen(
        command, cwd=course, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_all_claims_are_recorded_with_the_data_and_the_seeds(course):
    code, out, err = finished(replicate(course, "digits", "--seeds-from", "100"))
    assert code == 0, err
    assert "load('digits', seed=100" in out
    found = {
        path.stem: json.loads(path.read_text()) for path in (course / "docs/results/digits_seeds_from_100").iterdir()
    }
    assert sorted(found) == sorted(CLAIMS)
    for content in found.values():
        assert content["seeds from"] == 100
        assert content["data"]["call"].startswith("load('digits', seed=100")
        assert len(content["data"]["sha256 of the images"]) == 64
        assert "TensorFlow" in content["versions"]
    assert "cell" in err  # the bar


def test_an_interrupted_replication_goes_on_where_it_stopped(short_course):
    course, slow = short_course, NOTEBOOKS[1]
    wait = 'pathlib.Path("started").touch(); time.sleep(0 if pathlib.Path("again").exists() else 60)'
    write(course, slow, before=wait)
    process = replicate(course, "digits")
    wait_for(course / "notebooks" / "started")
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 1
    assert "Interrupted. The same command goes on with what is not done." in err
    done = course / "build" / "replicate" / "digits" / f"{NOTEBOOKS[0]}.ipynb"
    before = done.stat().st_mtime
    assert not done.with_name(f"{slow}.ipynb").exists()
    (course / "notebooks" / "again").touch()
    assert finished(replicate(course, "digits"))[0] == 0
    assert done.stat().st_mtime == before
    assert done.with_name(f"{slow}.ipynb").exists()
    # What the results depend on has changed: then all of it runs again.
    with (course / "helpers" / "statistics.py").open("a") as file:
        file.write("\n# another line\n")
    assert finished(replicate(course, "digits"))[0] == 0
    assert done.stat().st_mtime > before


def wait_for(path):
    for _ in range(480):
        if Path(path).exists():
            return
        time.sleep(0.25)
    raise AssertionError(f"{path} never came")


def test_one_notebook_that_fails_does_not_stop_the_others(short_course):
    write(short_course, NOTEBOOKS[1], before='raise RuntimeError("no such images")')
    code, _, err = finished(replicate(short_course, "digits"))
    assert code == 1
    assert f"{NOTEBOOKS[1]} stopped: RuntimeError: no such images" in err
    done = sorted((short_course / "build" / "replicate" / "digits").glob("*.done"))
    assert [path.stem for path in done] == [NOTEBOOKS[0], NOTEBOOKS[2]]


def test_images_that_are_not_there_are_said_before_anything_runs(course, tmp_path):
    no_network = {
        "KERAS_HOME": str(tmp_path / "empty"),
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    answer = subprocess.run([sys.executable, "tools/replicate.py", "fashion_mnist"], cwd=course, text=True,
                            capture_output=True, env=os.environ | no_network)  # fmt: skip
    assert answer.returncode == 1
    assert "'fashion_mnist' has to be downloaded once and the download failed" in answer.stderr
    assert "cell" not in answer.stderr


def test_another_data_set_needs_a_name_that_exists(course):
    code, _, err = finished(replicate(course, "cifar"))
    assert code == 2
    assert "invalid choice: 'cifar'" in err
