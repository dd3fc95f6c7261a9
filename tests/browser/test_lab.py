"""The course as a learner meets it: real JupyterLab in a real browser, with mouse and keyboard.

Each step leaves a picture in build/screenshots.
"""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import nbformat
import pytest

from tests.environments import published

SCREENSHOTS = published.ROOT / "build" / "screenshots"
SERIOUS = ("serious", "critical")
# What others add is left out, here and below: JupyterLab drops the alternative text of stored pictures (it stands under
# each as a caption), and ipywidgets gives the handles of sliders no name.
OUTPUTS = ".jp-OutputArea-output:not(.jp-RenderedImage)"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, so that what is clicked and saved changes nothing here."""
    return published.copy_course(tmp_path_factory.mktemp("lab") / "course")


@pytest.fixture(scope="module")
def lab(course):
    """The address of a JupyterLab that serves the course, as a function of the notebook's name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    settings = course.parent / "settings"
    (settings / "labconfig").mkdir(parents=True)
    # It would ask whether to fetch news from the internet.
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (settings / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    variables |= {"JUPYTER_CONFIG_DIR": str(settings), "JUPYTERLAB_SETTINGS_DIR": str(settings / "user")}
    variables |= {"JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    with open(course.parent / "lab.log", "w") as log:
        server = subprocess.Popen(command, cwd=course, env=variables, stdout=log, stderr=log)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (course.parent / "lab.log").read_text()
                time.sleep(0.5)
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/notebooks/{name}.ipynb?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def page(chromium):
    """A new window, with every error that its console shows as `page.errors`."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    window = context.new_page()
    window.set_default_timeout(60_000)
    window.errors = []
    window.on("console", lambda message: message.type == "error" and window.errors.append(message.text))
    window.on("pageerror", lambda error: window.errors.append(str(error)))
    yield window
    context.close()


def photograph(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def open_notebook(page, address, title):
    page.goto(address)
    page.get_by_role("heading", name=title).first.wait_for()
    page.locator('.jp-NotebookPanel [data-status="idle"]').first.wait_for(state="attached")


def read_saved(path, seconds=10):
    """The notebook on the disk. JupyterLab empties the file before it writes it, so what cannot be read is tried again.

    Raises ValueError where it cannot be read for all those seconds.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return nbformat.read(path, as_version=4)
        except ValueError:  # no JSON, or half of a letter
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def run_all(page, address, path, title, seconds=400):
    """Open it without outputs, Run > Run All Cells, wait for the last; returns what the learner saves."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    open_notebook(page, address, title)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for _ in range(seconds):
        time.sleep(1)
        page.keyboard.press("Control+s")
        notebook = read_saved(path)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        counts = [cell.execution_count for cell in cells]
        if counts == list(range(1, len(cells) + 1)) and page.locator('[data-status="busy"]').count() == 0:
            return notebook
    raise AssertionError(f"not through after {seconds} s: {counts}")


@pytest.mark.parametrize("share", [0, 0.5], ids=["empty", "half written"])
def test_a_notebook_that_is_being_saved_is_read_when_it_is_there(share, tmp_path):
    path = tmp_path / "notebook.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("σ" * 50)])
    nbformat.write(notebook, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"JSON|decode"):
        read_saved(path, seconds=0.1)
    threading.Timer(0.3, path.write_bytes, [whole]).start()
    assert read_saved(path, seconds=60) == notebook


def test_the_course_opens(page, lab):
    open_notebook(page, lab("00_start_here"), "0 · Start here")
    photograph(page, "1-start")
    links = page.locator(".jp-RenderedMarkdown a").all_inner_texts()
    assert any(text.startswith("02 ·") for text in links)
    assert not page.errors


def test_the_playground_trains_in_a_cell_and_is_a_picture_where_no_script_may_run(page, lab):
    open_notebook(page, lab("00_start_here"), "0 · Start here")
    cell = cell_with(page, "Playground")
    cell.scroll_into_view_if_needed()
    picture = cell.locator(".course-playground img")  # nobody has trusted this notebook yet
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 500
    assert cell.locator("iframe").count() == 0

    for code in (page.locator(".jp-CodeCell").first, cell):  # the first is the setup cell, which is folded
        code.locator(".jp-InputPrompt").click()
        page.keyboard.press("Shift+Enter")
    playground = cell.frame_locator("iframe")
    playground.get_by_role("button", name="One step").click()
    playground.locator(".counter", has_text="step 1 ").wait_for()
    playground.get_by_role("button", name="The plain network sleeps").click()
    playground.locator(".claim", has_text="This run shows it").wait_for()
    photograph(page, "9-playground")
    assert picture.count() == 0, "the picture gives its place to the page"
    assert cell.locator("iframe").bounding_box()["height"] > 700
    assert not page.errors


def test_notebook_02_runs_and_its_slider_follows_the_keyboard(page, lab, course, axe):
    path = course / "notebooks" / "02_batchnorm_from_scratch.ipynb"
    notebook = run_all(page, lab(path.stem), path, "2 · Batch Normalization from scratch")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]

    box = page.locator(".jp-OutputArea-output .widget-vbox").first
    box.scroll_into_view_if_needed()
    words, picture = box.locator("p[aria-live]"), box.locator("img")
    words.scroll_into_view_if_needed()
    photograph(page, "2-explorer")
    before = words.inner_text(), picture.get_attribute("src")
    assert "with mean" in before[0]

    slider = box.locator(".widget-hslider", has_text="outlier by")
    slider.get_by_role("slider").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    slider.locator(".widget-readout").get_by_text("8.00").wait_for()
    page.wait_for_timeout(1500)
    words.scroll_into_view_if_needed()
    photograph(page, "3-explorer-after-the-arrow-key")
    assert picture.get_attribute("src") != before[1]
    assert picture.get_attribute("alt") == words.inner_text() != before[0]
    assert "outlier" in words.inner_text()
    assert "outlier" not in before[0]

    assert not serious_problems(page, axe, OUTPUTS)
    assert not page.errors


def test_an_exercise_wrong_then_right(page, lab, course, axe):
    path = course / "notebooks" / "07_exercises.ipynb"
    run_all(page, lab(path.stem), path, "7 · Exercises")
    feedback = check_output(page, "ex1")
    feedback.get_by_text("not attempted", exact=False).first.wait_for()
    feedback.scroll_into_view_if_needed()
    photograph(page, "4-not-attempted")
    for answer, verdict, picture in (("a", "Not yet", "5-wrong"), ("c", "Correct", "6-right")):
        write_answer(page, "ex1", f'ex1 = "{answer}"')
        feedback = check_output(page, "ex1")
        feedback.get_by_text(verdict).first.wait_for()
        feedback.scroll_into_view_if_needed()
        photograph(page, picture)
    assert not serious_problems(page, axe, OUTPUTS)
    assert not page.errors


def cell_with(page, text):
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=re.compile(text)))


def check_output(page, question):
    return cell_with(page, rf'^check\("{question}"').locator(".jp-OutputArea-output").last


def write_answer(page, question, text):
    """Replace the answer cell's text as a learner would, run it and the check under it."""
    editor = cell_with(page, rf"^{question} = ").locator(".cm-content")
    editor.scroll_into_view_if_needed()
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")


def serious_problems(page, axe, inside):
    """What axe-core finds serious or critical inside these elements, in words."""
    page.evaluate(axe)
    context = {"include": [inside], "exclude": [".noUi-base"]}
    found = page.evaluate("context => axe.run(context, {resultTypes: ['violations']})", context)["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]]


def claims_tables(page):
    """The width that each table of claims needs and the one that it has, in pixels."""
    tables = "[...document.querySelectorAll('.bd-article table')].filter(table => table.innerText.includes('C1'))"
    return page.evaluate(f"{tables}.map(table => ({{needs: table.scrollWidth, has: table.clientWidth}}))")


@pytest.mark.parametrize(("width", "height", "name"), [(1280, 900, "desktop"), (390, 844, "phone")])
def test_the_site_fits_its_screen(chromium, site, axe, width, height, name):
    context = chromium.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    for path in ("index", "notebooks/02_batchnorm_from_scratch", "notebooks/00_start_here"):
        page.goto((site / f"{path}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not [table for table in claims_tables(page) if table["needs"] > table["has"]], "sideways scrolling"
        assert not serious_problems(page, axe, ".bd-article")
        photograph(page, f"7-site-{name}-{path.split('/')[-1]}")
    context.close()
