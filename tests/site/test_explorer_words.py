"""The words under a live explorer of the site are those that Python writes for the same settings."""

import json
import shutil
import subprocess
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from helpers.explorers import MomentumExplorer, NormalizationExplorer
from tests.environments.published import ROOT
from tests.test_explorers import distributions, placements

EXPLORERS = [NormalizationExplorer, MomentumExplorer, distributions, placements]
SETTINGS = 3000


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """ask(**question): what `explorers.mjs` answers; skips where there is no node."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node found, which runs the explorers' modules; on Debian: apt-get install nodejs")
    folder = tmp_path_factory.mktemp("explorers")
    shutil.copytree(ROOT / "docs" / "static" / "explorers", folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')  # without it, node takes a .js for a script

    def run(**question):
        command = [path, str(ROOT / "tests" / "site" / "explorers.mjs"), str(folder)]
        answer = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return run


def random_settings(controls, count, seed=0):
    """Values that a reader can reach: [{name: value}, ...]."""
    rng = np.random.default_rng(seed)

    def reachable(control):
        if "options" in control:
            return control["options"][rng.integers(len(control["options"]))]
        steps = rng.integers(round((control["max"] - control["min"]) / control["step"]) + 1)
        return round(control["min"] + int(steps) * control["step"], 6)

    return [{control["name"]: reachable(control) for control in controls} for _ in range(count)]


def words_of_python(explorer, settings):
    explorer.figure = SimpleNamespace(axes=[MagicMock() for _ in explorer.figure.axes])  # to draw would take minutes
    return [explorer.draw(**values) for values in settings]


@pytest.mark.parametrize("kind", EXPLORERS)
def test_words_are_those_of_python(ask, kind):
    explorer = kind()
    state = explorer.state()
    settings = random_settings(state["controls"], SETTINGS)
    found = ask(describe={"module": explorer.module, "state": state, "settings": settings})
    expected = words_of_python(explorer, settings)
    different = [both for both in zip(settings, found, expected, strict=True) if both[1] != both[2]]
    assert not different[:3], f"{len(different)} of {SETTINGS}"
    assert len(set(found)) > 3


def test_ties_of_the_normalisation_are_rounded_as_python_does(ask):
    explorer = NormalizationExplorer()
    state = explorer.state()
    plain = {control["name"]: control["value"] for control in state["controls"]} | {"spread": 0.0}
    # 8 equal values, one of them moved by an odd number: a mean such as 7.125.
    settings = [
        plain | {"batch_size": 8, "mean": mean, "outlier": float(by)} for mean in (-7.5, 0, 7) for by in range(60)
    ]
    found = ask(describe={"module": explorer.module, "state": state, "settings": settings})
    assert found == words_of_python(explorer, settings)
    assert "itself has mean 7.12," in found[120 + 1]
    assert "itself has mean 7.38," in found[120 + 3]


HALVES = [0.125, 0.375, 0.625, -0.125, 2.5, 3.5, -0.5, 0.5, 1.5, 0.25, 0.75, 7.125, 1e9 + 0.5, 0.0, 1.005, 0.145]
NUMBERS = [*HALVES, *np.random.default_rng(0).normal(scale=30, size=200), *np.arange(-4, 4, 1 / 32)]


@pytest.mark.parametrize("digits", [0, 1, 2, 3])
def test_numbers_are_rounded_as_python_does(ask, digits):
    values = [float(value) for value in NUMBERS]
    assert ask(numbers=[["fixed", value, digits] for value in values]) == [f"{value:.{digits}f}" for value in values]
    shares = [value for value in values if abs(value) <= 1]
    assert ask(numbers=[["percent", share, digits] for share in shares]) == [f"{share:.{digits}%}" for share in shares]


def test_small_numbers_are_written_as_python_does(ask):
    values = [1e-3, 0.00316, 0.0049, 1e-5, 1e-8, -0.002, 3.3e-10, 10.0]
    assert ask(numbers=[["power", value] for value in values]) == [f"{value:.0e}" for value in values]
    assert ask(numbers=[["number", value] for value in (0.004, -1e-12, -0.0, 0.005, 12.345)]) == [
        "4e-03", "0.00", "0.00", "0.01", "12.35"
    ]  # fmt: skip
