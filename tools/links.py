"""Write the address of the repository into the course: `links.py owner/name [ref]`, or without arguments what it is.

The address stands in pyproject.toml, under [tool.course]. From there the notebooks get their links to Colab and Binder
and their setup cell (`build_notebooks.py --keep-outputs`), the README its links, and the site its buttons.
`make links REPO=owner/name` does all of it.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
README = ROOT / "README.md"
SETUP_CELL = Path(__file__).with_name("setup_cell.py")
UNSTAMPED = 'REPOSITORY, REF = "", "main"'
START, END = "<!-- launch:start -->", "<!-- launch:end -->"


def address():
    """The repository as "owner/name", or "" while nobody has stamped it, and its branch or tag."""
    course = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["course"]
    return course["repository"], course["ref"]


def colab(name, repository, ref):
    """The address that opens notebooks/<name>.ipynb in Colab."""
    return f"https://colab.research.google.com/github/{repository}/blob/{quote(ref)}/notebooks/{name}.ipynb"


def binder(name, repository, ref):
    """The address that opens notebooks/<name>.ipynb in JupyterLab on Binder."""
    path = quote(f"lab/tree/notebooks/{name}.ipynb", safe="")
    return f"https://mybinder.org/v2/gh/{repository}/{quote(ref, safe='')}?urlpath={path}"


def launch_line(name):
    """The line under a notebook's title, in Markdown; "" while there is nothing to link to."""
    repository, ref = address()
    if not repository:
        return ""
    return f"[Open in Colab]({colab(name, repository, ref)}) · [Open on Binder]({binder(name, repository, ref)})"


def setup_cell():
    """The text of every notebook's setup cell, with the address filled in."""
    text = SETUP_CELL.read_text(encoding="utf-8").strip()
    if UNSTAMPED not in text:
        raise ValueError(f"{SETUP_CELL.name} must hold the line {UNSTAMPED}.")
    repository, ref = address()
    return text.replace(UNSTAMPED, f'REPOSITORY, REF = "{repository}", "{ref}"')


def readme_text():
    """What the README says between its two markers."""
    repository, ref = address()
    if not repository:
        return (
            "This copy has no address on GitHub yet, so it has no links to Colab and Binder. Once it is pushed to\n"
            "GitHub, a workflow writes them into the README, the notebooks and the site;\n"
            "`make links REPO=owner/name` does the same by hand."
        )
    start = "00_start_here"
    return (
        f"Without installing anything: [open it in Colab]({colab(start, repository, ref)}) or\n"
        f"[open it on Binder]({binder(start, repository, ref)}) (Binder takes a few minutes the first time)."
    )


def stamp_readme():
    """Write `readme_text` between the README's two markers. Raises ValueError where they are not there, each once."""
    text = README.read_text(encoding="utf-8")
    between = re.compile(f"{START}.*{END}", re.DOTALL)
    if text.count(START) != 1 or text.count(END) != 1 or not between.search(text):
        raise ValueError(f"README.md must hold {START} and after it {END}, each once.")
    README.write_text(between.sub(lambda _: f"{START}\n{readme_text()}\n{END}", text), encoding="utf-8")


def stamp(repository, ref):
    """Write the address into pyproject.toml.

    Raises ValueError where they could not be the name of a GitHub repository and of a branch or tag.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", repository):
        raise ValueError(f"The repository is owner/name, such as ada/batchnorm-course; received {repository!r}.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", ref):
        raise ValueError(f"The ref is a branch or a tag, such as main; received {ref!r}.")
    text = PROJECT.read_text(encoding="utf-8")
    for key, value in (("repository", repository), ("ref", ref)):
        text, count = re.subn(rf'^{key} = ".*?"', f'{key} = "{value}"', text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"pyproject.toml must hold one line {key} = ..., found {count}.")
    PROJECT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", help="owner/name on GitHub")
    parser.add_argument("ref", nargs="?", default="main", help="a branch or tag (main)")
    arguments = parser.parse_args()
    if arguments.repository:
        try:
            stamp(arguments.repository, arguments.ref)
        except ValueError as error:
            sys.exit(str(error))
    stamp_readme()
    print("The course's address: " + (" at ".join(address()) if address()[0] else "none yet"))
