"""What learners hand in: which files of a folder are notebooks to grade, reading them, and mending their cells."""

import codecs
import copy
import re
from pathlib import Path

import nbformat
from exercises import NOTEBOOK

# How an editor on Windows may save a text: its first bytes, and the encoding that they announce.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def find_submissions(folder, notebook=NOTEBOOK):
    """The notebooks to grade, {learner's name: path}, and what is passed over, {path: reason}.

    folder: it holds a notebook for each learner, or a folder for each. notebook: the name of the one that was handed
    out, which counts where a learner's folder holds several. Raises FileNotFoundError where there is none,
    and ValueError where two come out with the same learner's name.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: expected one that holds the submissions.")
    found, passed_over = {}, {}
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith((".", "__")):  # .ipynb_checkpoints, __MACOSX
            passed_over[path] = "made by a program, not by a learner"
            continue
        if path.suffix == ".ipynb":
            student, found_one = _student(path.stem), path
        elif path.is_dir():
            notebooks = sorted(_notebooks(path), key=lambda one: (one.stem != notebook, len(one.parts), one.name))
            student, found_one = _student(path.name), notebooks[0] if notebooks else path / f"{notebook}.ipynb"
            passed_over |= dict.fromkeys(notebooks[1:], f"{found_one.name} is graded for {student}")
        else:
            passed_over[path] = "no notebook: its name does not end in .ipynb"
            continue
        if student in found:
            raise ValueError(f"Two submissions of {student!r}: {found[student]} and {found_one}. Rename one of them.")
        found[student] = found_one
    if not found:
        listed = "".join(f" {path.name}: {reason}." for path, reason in passed_over.items())
        raise FileNotFoundError(
            f"No submissions in {folder}: expected notebooks, or folders named after the learners.{listed}"
        )
    return found, passed_over


def read_notebook(path):
    """The notebook in a file, in UTF-8, or in UTF-16 with a byte-order mark. Raises whatever is wrong with it."""
    content = Path(path).read_bytes()
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    return nbformat.reads(content.decode(encoding), as_version=4)


def _notebooks(folder):
    """All notebooks below a learner's folder but the copies that Jupyter makes."""
    return (path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def _student(name):
    """A name that nbgrader takes, without spaces and path separators, and that no spreadsheet takes for a formula."""
    return re.sub(r"[^\w.@-]+", "_", name).strip("_-@.") or "unnamed"


def repair(submission, release):
    """A copy of a submission in which every graded cell can be found, and a list of what had to be mended.

    A cell whose id occurs twice keeps it in its last copy alone: nbgrader stops at two. A check cell that lost its
    metadata is known by its call of `check`, and an answer by standing above it; a check cell that is gone comes back.
    """
    submission, remarks = copy.deepcopy(submission), []
    seen = set()
    for cell in reversed(submission.cells):
        grade_id = grade_id_of(cell)
        if grade_id in seen:
            remarks.append(f"{grade_id} stood there twice")
        if grade_id in seen or not cell.metadata.get("nbgrader"):
            cell.metadata.pop("nbgrader", None)
        elif grade_id:
            seen.add(grade_id)
    cells = submission.cells
    for wanted in release.cells:
        grade_id = grade_id_of(wanted)
        if grade_id is None or grade_id in seen or not wanted.metadata.nbgrader["grade"]:
            continue
        question = grade_id.removesuffix("_check")
        call = re.compile(rf"""^\s*check\(\s*["']{question}["']""", re.MULTILINE)
        index = next((i for i, cell in enumerate(cells) if cell.cell_type == "code" and call.search(cell.source)), None)
        if index is None:
            remarks.append(f"{grade_id} was missing")
            cells.append(copy.deepcopy(wanted))
        else:
            remarks.append(f"{grade_id} had lost its metadata")
            cells[index].metadata["nbgrader"] = copy.deepcopy(wanted.metadata.nbgrader)
    return submission, sorted(set(remarks))


def grade_id_of(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")
