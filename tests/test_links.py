"""The repository's address in the course, and the setup cell: in the course, elsewhere, and on Colab."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.environments import published
from tools import build_notebooks, links

NOTEBOOKS = sorted(build_notebooks.NOTEBOOKS.glob("*.ipynb"))
STAMPED = ["00_start_here", "02_batchnorm_from_scratch"]
ON_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course after `make links REPO=ada/batchnorm-course`."""
    folder = published.copy_course(tmp_path_factory.mktemp("course"))
    published.stamp(folder, STAMPED)
    return folder


@pytest.fixture(scope="module")
def github(course, tmp_path_factory):
    """The environment variables with which git finds that copy in place of GitHub."""
    return published.publish(course, tmp_path_factory.mktemp("github") / "course.git")


def run_cell(text, folder, environment=None):
    """The cell's text in a new Python inside `folder`, and then what it put first on sys.path."""
    text += "\nimport helpers, sys; print(sys.path[0]); print(sorted({'tensorflow', 'matplotlib'} & set(sys.modules)))"
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | (environment or {})
    return subprocess.run([sys.executable, "-c", text], cwd=folder, env=variables, capture_output=True, text=True)


def setup_cell(course):
    notebook = nbformat.read(course / "notebooks" / "00_start_here.ipynb", as_version=4)
    return next(cell.source for cell in notebook.cells if "setup" in cell.metadata.get("tags", []))


@pytest.mark.parametrize("folder", ["", "notebooks", "docs/results"])
def test_setup_cell_finds_the_course_upwards(folder):
    answer = run_cell(links.setup_cell(), links.ROOT / folder)
    assert answer.stdout.splitlines() == ["The course is ready.", str(links.ROOT), "[]"], answer.stderr


def test_setup_cell_elsewhere_says_what_is_missing(tmp_path):
    answer = run_cell(links.setup_cell(), tmp_path)
    assert answer.returncode != 0
    assert "open the notebook inside the course" in answer.stderr
    assert not list(tmp_path.iterdir())


def test_setup_cell_on_colab_fetches_the_course_once(course, github, tmp_path):
    cell = ON_COLAB + setup_cell(course)
    first, second = (run_cell(cell, tmp_path, github) for _ in range(2))
    fetched = tmp_path / "batchnorm-course"
    assert first.stdout.splitlines() == [
        "The course is ready: fetched from https://github.com/ada/batchnorm-course.git at main, nothing installed.",
        str(fetched),
        "[]",
    ], first.stderr
    assert second.stdout.splitlines() == ["The course is ready.", str(fetched), "[]"], second.stderr
    assert first.stderr == second.stderr == ""


def test_setup_cell_inside_the_course_never_fetches(course):
    answer = run_cell(ON_COLAB + setup_cell(course), course / "notebooks", {"PATH": ""})
    assert answer.stdout.startswith("The course is ready.\n"), answer.stderr


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        ('REPOSITORY, REF = "", "main"', 'write REPOSITORY = "owner/name" above'),
        (
            'REPOSITORY, REF = "ada/batchnorm-course", "v9"',
            "git could not fetch https://github.com/ada/batchnorm-course",
        ),
    ],
)
def test_setup_cell_on_colab_says_why_it_can_not_fetch(course, github, tmp_path, replacement, message):
    cell = re.sub("^REPOSITORY, REF = .*?(?=  #)", replacement, setup_cell(course), flags=re.MULTILINE)
    answer = run_cell(ON_COLAB + cell, tmp_path, github)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert not (tmp_path / "batchnorm-course" / "helpers").exists()


def test_stamped_notebooks_link_to_themselves(course):
    for name in STAMPED:
        head = nbformat.read(course / "notebooks" / f"{name}.ipynb", as_version=4).cells[0].source.split("\n\n")
        assert head[0].startswith("# ")
        assert head[1] == (
            "[Open in Colab](https://colab.research.google.com/github/ada/batchnorm-course/blob/main/notebooks/"
            f"{name}.ipynb) · [Open on Binder](https://mybinder.org/v2/gh/ada/batchnorm-course/main"
            f"?urlpath=lab%2Ftree%2Fnotebooks%2F{name}.ipynb)"
        )


def test_stamping_changes_the_address_alone(course):
    for name in STAMPED:
        before, after = (
            nbformat.read(folder / "notebooks" / f"{name}.ipynb", as_version=4) for folder in (links.ROOT, course)
        )
        kept = lambda nb: [cell for cell in nb.cells[1:] if "setup" not in cell.metadata.get("tags", [])]  # noqa: E731
        assert kept(before) == kept(after)
        assert [cell.get("outputs") for cell in before.cells] == [cell.get("outputs") for cell in after.cells]


def test_stamped_readme_links_to_both(course):
    text = (course / "README.md").read_text(encoding="utf-8")
    assert (
        "https://colab.research.google.com/github/ada/batchnorm-course/blob/main/notebooks/00_start_here.ipynb" in text
    )
    assert "https://mybinder.org/v2/gh/ada/batchnorm-course/main?urlpath=" in text
    assert "no address" not in text


def test_nothing_pretends_before_it_is_stamped():
    text = links.README.read_text(encoding="utf-8")
    assert f"{links.START}\n{links.readme_text()}\n{links.END}" in text, "run: make links"
    if not links.address()[0]:
        everything = text + "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
        assert "make links REPO=owner/name" in text
        assert "colab.research.google" not in everything
        assert "mybinder.org/v2" not in everything


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        (["ada"], "'ada'"),
        (["https://github.com/ada/course"], "'https"),
        (['ada/"x'], "ada/"),
        (["ada/course", "-b"], "-b"),
    ],
)
def test_an_address_that_can_not_be_is_refused(course, arguments, received):
    before = (course / "pyproject.toml").read_text()
    command = [sys.executable, "tools/links.py", "--", *arguments]
    answer = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert answer.returncode != 0
    assert "Traceback" not in answer.stderr
    assert received in answer.stderr
    assert (course / "pyproject.toml").read_text() == before


def test_changed_code_keeps_no_outputs_and_then_nothing_is_written(tmp_path):
    changed = published.copy_course(tmp_path)
    names = build_notebooks.source_names()
    for name in names[-2:]:
        source = changed / "source" / f"{name}.py"
        source.write_text(source.read_text(encoding="utf-8") + "\n# %%\n1 + 1\n", encoding="utf-8")
    command = [sys.executable, "tools/links.py", "ada/batchnorm-course"]
    subprocess.run(command, cwd=changed, check=True, stdout=subprocess.DEVNULL)  # a new address for all of them
    before = {path: path.read_bytes() for path in (changed / "notebooks").glob("*.ipynb")}
    command = [sys.executable, "tools/build_notebooks.py", "--keep-outputs"]
    answer = subprocess.run(command, cwd=changed, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    for name in names[-2:]:  # one line for each, not only for the first
        assert f"The code of {name} has changed" in answer.stderr
        assert f"make notebooks NAMES={name}\n" in answer.stderr
    assert answer.stderr.endswith("No notebook was written. Afterwards run `make links` again.\n")
    assert {path: path.read_bytes() for path in (changed / "notebooks").glob("*.ipynb")} == before


def test_all_relative_links_lead_somewhere():
    # docs/index.md is a page of the site alone, and the site's tests follow its links.
    texts = {
        path: path.read_text(encoding="utf-8") for path in [*links.ROOT.glob("*.md"), *links.ROOT.glob("docs/ins*")]
    }
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        texts[path] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    missing = [
        f"{path.name}: {target}"
        for path, text in texts.items()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
        if "://" not in target and not (path.parent / Path(target)).exists()
    ]
    assert not missing
