"""The pins of Binder, Colab, conda and the locks: what each picks, that they agree, and that they are tested here."""

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from helpers.environment import SUPPORTED
from tests.environments import published

ROOT = published.ROOT
LEARNER, MAINTAINER = ROOT / "requirements.lock.txt", ROOT / "requirements-dev.lock.txt"
COLAB, COLAB_LOCK = ROOT / "tests/environments/colab.txt", ROOT / "tests/environments/colab.lock.txt"


def pins(path):
    """The requirements of a lock or list, without its hashes and comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0].rstrip(" \\")) for line in lines if re.match(r"[A-Za-z]", line)]


@pytest.fixture(scope="module")
def binder(tmp_path_factory):
    """What repo2docker makes of the course: its messages and its Dockerfile."""
    course = published.copy_course(tmp_path_factory.mktemp("binder"))
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    answer = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer


@pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows")
def test_binder_takes_python_3_12(binder):
    assert "Building conda environment for python=3.12" in binder.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows")
def test_binder_has_the_lock_before_it_installs(binder):
    before, _, after = binder.stdout.partition("COPY --chown=0:0 src/")
    assert "env update" in after
    assert "env update" not in before
    assert "  - pip:\n      - -r requirements.lock.txt" in (ROOT / "environment.yml").read_text()


@pytest.mark.parametrize("path", [LEARNER, MAINTAINER, COLAB_LOCK], ids=lambda path: path.name)
def test_locks_are_exact_hashed_and_name_no_place(path):
    text = path.read_text(encoding="utf-8")
    assert all(re.fullmatch(r"==[^,]+", str(pin.specifier)) for pin in pins(path))
    assert text.count("==") <= text.count("--hash=sha256:") + text.count("python_full_version ==")
    assert not re.search(r"https?://|file:|--index-url|--find-links", text)


def test_maintainers_run_what_learners_run():
    assert {str(pin) for pin in pins(LEARNER)} <= {str(pin) for pin in pins(MAINTAINER)}


def test_what_is_installed_is_what_is_locked():
    """Skipped where this environment was not made from the lock, as in the weekly run with the newest versions."""
    installed = {}
    for pin in pins(MAINTAINER):
        if pin.marker is None or pin.marker.evaluate():
            try:
                installed[pin.name] = (version(pin.name), str(pin.specifier))
            except PackageNotFoundError:
                installed[pin.name] = ("missing", str(pin.specifier))
    if not (Path(sys.prefix) / "dev-installed").exists():
        pytest.skip("this environment was not made by `make test`")
    assert not {name: pair for name, pair in installed.items() if f"=={pair[0]}" != pair[1]}


def test_colab_versions_are_locked_and_supported():
    locked = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins(COLAB_LOCK)}
    for pin in pins(COLAB):
        assert pin.specifier.contains(locked[pin.name]), pin
    for name, package in (("TensorFlow", "tensorflow-cpu"), ("Keras", "keras")):
        first, beyond = map(Version, SUPPORTED[name])
        assert first <= Version(locked[package]) < beyond
    assert {"tensorflow-cpu": "2.20.0", "ipywidgets": "7.7.1", "ipython": "7.34.0"}.items() <= locked.items()


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("helpers/**/*.py"), *ROOT.glob("source/*.py")]), ids=lambda p: p.stem
)
def test_no_output_widget_and_no_interact(path):
    """They stall nbclient, hide the errors of callbacks, and stack pictures on Colab."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ipywidgets"):
            names |= {f"widgets.{alias.name}" for alias in node.names}
    forbidden = ("Output", "interact", "interactive", "interact_manual", "interactive_output")
    assert not names & {f"{module}.{name}" for module in ("widgets", "ipywidgets", "w") for name in forbidden}
