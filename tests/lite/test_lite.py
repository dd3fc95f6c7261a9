"""The notebooks in a browser tab, as `make lite` has built them: figures, answers, an endless loop, no other host."""

import importlib.metadata
import re
import shutil
import subprocess
import time

import nbformat
import pytest

from helpers.grading.course import QUESTIONS
from helpers.grading.keras_question import KerasQuestion
from tests.environments.published import ROOT
from tests.site.pages import serving

LITE = ROOT / "build" / "site" / "lite"
pytestmark = pytest.mark.skipif(not (LITE / "index.html").is_file(), reason="not built: make lite PYODIDE=folder")
ANSWERS = {
    "wrong": "def normalize(x, epsilon=1e-3):\n    return (x - x.mean(axis=1, keepdims=True)) / "
    "np.sqrt(x.var(axis=1, keepdims=True) + epsilon)",
    "right": "def normalize(x, epsilon=1e-3):\n    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)",
    "endless": "def normalize(x, epsilon=1e-3):\n    while True:\n        try:\n            pass\n        except:\n"
    "            continue",
}


@pytest.fixture(scope="module")
def server():
    """The address of a web server that has the site."""
    with serving(LITE.parent) as address:
        yield address


@pytest.fixture
def open_lite(chromium, server):
    """open_lite(notebook): a window with it in JupyterLite, and `foreign`, what was asked of other hosts."""
    contexts = []

    def opened(notebook):
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.foreign = []
        own = (server, "blob:", "data:")
        page.on("request", lambda request: request.url.startswith(own) or page.foreign.append(request.url))
        page.goto(f"{server}/lite/lab/index.html?path=notebooks/{notebook}.ipynb")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
        return page

    yield opened
    for context in contexts:
        context.close()


def run_cells(page, last):
    """Run the code cells of the notebook up to number `last`; returns their outputs as text and the kinds of errors."""
    return page.evaluate(
        """async last => {
            const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
            await app.shell.currentWidget.sessionContext.ready;
            const code = notebook.widgets.filter(cell => cell.model.type === 'code').slice(0, last);
            for (const cell of code) {
                notebook.activeCellIndex = notebook.widgets.indexOf(cell);
                await app.commands.execute('notebook:run-cell');
            }
            return code.map(cell => cell.model.outputs.toJSON());
        }""",
        last,
    )


def run_code(page, text):
    """Run this text in the notebook's kernel; returns what it printed and showed, as one text."""
    return page.evaluate(
        """async text => {
            const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session, said = [];
            const future = kernel.requestExecute({ code: text });
            future.onIOPub = ({ content }) =>
                said.push(content.text ?? content.data?.['text/plain'] ?? content.evalue ?? '');
            await future.done;
            return said.join('\\n').trim();
        }""",
        text,
    )


def test_the_first_figure_comes_soon_and_from_here(open_lite):
    begin = time.monotonic()
    page = open_lite("02_batchnorm_from_scratch")
    outputs = run_cells(page, 3)
    seconds = time.monotonic() - begin
    kinds = [kind for output in outputs[2] for kind in output.get("data", {})]
    assert "image/png" in kinds
    assert seconds < 120, "40 seconds on a machine that does nothing else"
    print(f"first figure of 02 after {seconds:.0f} s")
    assert not page.foreign


def test_an_answer_is_checked_and_an_endless_one_stopped(open_lite):
    page = open_lite("07_exercises")
    run_cells(page, 1)
    assert not run_code(page, "import numpy as np\nfrom helpers.grading import check, report")
    says = {name: run_code(page, f"{code}\nprint(check('normalize', normalize))") for name, code in ANSWERS.items()}
    assert "axis=0" in says["wrong"]
    assert re.search(r"4(\.0)? of 4", says["right"])
    assert "still running after 5 seconds" in says["endless"]
    keras = run_code(page, "def build_model(): pass\nprint(check('build_model', build_model))")
    assert "does not run in a browser tab" in keras
    assert not page.foreign


def stored_text(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_notebook_prints_what_is_stored_up_to_keras_and_then_says_what_is_missing(open_lite):
    name = "02_batchnorm_from_scratch"
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    cells = [cell for cell in cells if cell.cell_type == "code"]
    (keras,) = (number for number, cell in enumerate(cells) if "environment.quiet_tensorflow()" in cell.source)
    page = open_lite(name)
    found = run_cells(page, keras + 1)
    compared = 0
    for cell, outputs in zip(cells[1:keras], found[1:], strict=False):
        assert not [output for output in outputs if output["output_type"] == "error"], outputs
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            said = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stdout")
            assert said == stored_text(cell)
            compared += bool(said)
    assert compared >= 15
    assert "does not run in a browser tab" in found[keras][-1]["evalue"]
    assert not page.foreign


def test_the_checks_of_the_numpy_exercises_pass_in_webassembly(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("no node found; on Debian: apt-get install nodejs")
    for package in ("pytest", "pluggy", "iniconfig"):
        for file in importlib.metadata.files(package):
            if not file.parts[0].startswith((".", "__pycache__")) and file.suffix != ".pyc":
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), tmp_path / file)
    with_keras = [question.id for question in QUESTIONS.values() if isinstance(question, KerasQuestion)]
    with_keras += [name for name in QUESTIONS if name.startswith("clinic_")] + ["recalibrate"]
    files = [f"tests/grading/test_{name}.py" for name in ("misconceptions", "unlisted")]
    command = ["node", "tests/lite/wasm.mjs", LITE / "static" / "pyodide", ROOT, tmp_path, *files]
    answer = subprocess.run(
        [*command, "-k", f"not ({' or '.join(with_keras)})"], cwd=ROOT, capture_output=True, text=True
    )
    passed = re.search(r"(\d+) passed", answer.stdout)
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-1000:]
    assert int(passed.group(1)) > 300
