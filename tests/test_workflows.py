"""The workflows and issue forms: valid, safe, and pinned; and the helpers that only they use."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.environments.published import ROOT
from tools import colab_pins

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(GITHUB.glob("ISSUE_TEMPLATE/*-*.yml"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def tool(name):
    return str(Path(sys.executable).with_name(name))


def test_zizmor_finds_nothing():
    command = [tool("zizmor"), "--offline", "--persona=pedantic", "--no-progress", "--color=never", str(GITHUB)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("github-issue-forms", FORMS),
        ("github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
        ("citation-file-format", [GITHUB.parent / "CITATION.cff"]),
    ],
)
def test_valid_by_schema(schema, files):
    command = [tool("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_permissions_least(path):
    text = path.read_text(encoding="utf-8")
    for use in re.findall(r"uses: *(.*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60


def test_the_same_action_has_one_pin():
    pins = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: *([\w/-]+)@(\w+)", path.read_text(encoding="utf-8")):
            pins.setdefault(action, set()).add(pin)
    assert all(len(found) == 1 for found in pins.values()), pins


def test_workflows_call_targets_and_scripts_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        for run in [
            step["run"]
            for job in yaml.safe_load(path.read_text())["jobs"].values()
            for step in job["steps"]
            if "run" in step
        ]:
            for line in run.splitlines():
                words = line.replace('"test-$PLACE"', "test-colab test-binder").split()
                if words[:1] == ["make"]:
                    targets = [word for word in words[1:] if "=" not in word]
                    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), line
                if words[:1] == ["python"] and words[1].endswith(".py"):
                    assert (ROOT / words[1]).is_file()


def test_tests_run_on_three_systems_and_three_pythons():
    matrix = yaml.safe_load((GITHUB / "workflows/tests.yml").read_text())["jobs"]["everywhere"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


def test_the_form_asks_for_every_notebook():
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE/confusing-cell.yml").read_text(encoding="utf-8"))
    options = next(field for field in form["body"] if field.get("id") == "notebook")["attributes"]["options"]
    assert [option[:2] for option in options] == [path.stem[:2] for path in NOTEBOOKS]


def test_colab_pins_follow_the_published_list():
    pins = "# why\ntensorflow-cpu==2.20.0\nnumpy==2.1.3\nscipy\n"
    freeze = "# made by pip\nnumpy==2.3.1\ntensorflow==2.21.0\ntensorflow-cpu==1.0\nspacy @ https://example.org/x.whl\n"
    assert colab_pins.updated(pins, freeze) == "# why\ntensorflow-cpu==2.21.0\nnumpy==2.3.1\nscipy\n"


def test_colab_pins_refuse_a_list_without_a_pinned_package():
    with pytest.raises(ValueError, match="no tensorflow=="):
        colab_pins.updated("tensorflow-cpu==2.20.0\n", "numpy==2.3.1\n")


def test_the_version_is_the_same_everywhere_and_has_its_changes():
    version = tomllib.loads((GITHUB.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (GITHUB.parent / "CITATION.cff").read_text(encoding="utf-8")
    changes = (GITHUB.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+),", changes, re.MULTILINE).group(1) == version, (
        "the newest changes are of another version"
    )
