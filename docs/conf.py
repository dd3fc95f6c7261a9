"""The site: the executed notebooks as pages, built by `make site`. Nothing is executed and nothing downloaded here."""

import base64
import hashlib
import html
import importlib.metadata
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from docutils import nodes

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from helpers import playground  # noqa: E402
from tools import links, lite  # noqa: E402

project = "Batch Normalization, measured"
author = "the course's authors"
project_copyright = "text and figures CC BY 4.0, code MIT"
language = "en"
extensions = ["myst_nb"]
exclude_patterns = ["results", "questions"]

nb_execution_mode = "off"
nb_render_markdown_format = "myst"  # tables, and links to notebooks become links to pages
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Formulas are set by a script of the site's own. With SVG it needs no fonts.
mathjax_path = "mathjax/tex-svg.js"

repository, ref = links.address()
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["course.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # without it the theme complains in the console of every page
html_theme_options = {
    "navbar_persistent": [],  # the search field is in the sidebar
    "show_toc_level": 2,
    "use_download_button": True,
    "use_fullscreen_button": False,
}
if repository:
    html_theme_options |= {
        "repository_url": f"https://github.com/{repository}",
        "repository_branch": ref,
        "path_to_docs": "",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    }

alternative_texts = {}
explorers = {}


def copy_mathjax(_app):
    """Take MathJax out of its package: one file of the many, so that the site stays small and asks no other host."""
    files = importlib.metadata.files("sphinx-mathjax-offline")
    (script,) = (file for file in files if file.name == Path(mathjax_path).name)
    target = HERE / "static" / mathjax_path
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(script.locate(), target)


def copy_notebooks(_app):
    """Put the notebooks beside the front page, without the setup cell, and note what their figures say."""
    shutil.rmtree(HERE / "notebooks", ignore_errors=True)
    (HERE / "notebooks").mkdir()
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        words = ""
        for cell in notebook.cells:
            if cell.cell_type == "markdown":  # what to look for in the figure of the cell after it
                words = re.sub(r"[*`$>]", "", cell.source.strip().split("\n\n")[-1])
            if "setup" in cell.metadata.get("tags", []):
                cell.metadata.tags.append("remove-cell")
            for output in cell.get("outputs", []):
                adapt(output, words)
        nbformat.write(notebook, HERE / "notebooks" / path.name)


def adapt(output, words):
    """Fit an output of a notebook to the site, and note what its figure says: its own text, or else these words."""
    data = output.get("data", {})
    if data.get("text/plain") == playground.CAPTION:  # the site has a page for it
        output.data = {"text/markdown": f"[![{playground.CAPTION}](../static/playground.png)](../playground.md)"}
    elif "text/html" in data:  # a table's links lead to notebooks, here to pages
        data["text/html"] = re.sub(r'href="(\w+)\.ipynb', r'href="\1.html', data["text/html"])
    if "image/png" in data:
        png = base64.b64decode(data["image/png"])
        name = hashlib.sha256(png).hexdigest()
        alternative_texts[name] = output.metadata.get("image/png", {}).get("alt") or words
        if "explorer" in output.metadata:
            explorers[name] = output.metadata["explorer"]


def add_alternative_texts(_app, doctree):
    """Give each figure the words that its notebook stores; myst-nb names a picture after its hash and drops them."""
    for image in doctree.findall(nodes.image):
        if alt := alternative_texts.get(Path(image["uri"]).stem):
            image["alt"] = alt


def add_explorers(_app, doctree):
    """Put the picture of an explorer into the place that its script, where there are scripts, brings to life."""
    for image in list(doctree.findall(nodes.image)):
        if explorer := explorers.get(Path(image["uri"]).stem):
            state = json.dumps(explorer["state"], separators=(",", ":")).replace("<", r"\u003c")
            place = f'<div data-explorer="{html.escape(explorer["module"])}">'
            begin = f'{place}<script type="application/json">{state}</script>'
            image.replace_self([nodes.raw("", begin, format="html"), image, nodes.raw("", "</div>", format="html")])


def add_explorer_scripts(app, _pagename, _template, context, _doctree):
    """Give the pages with explorers their loader and colours."""
    if "data-explorer" in context.get("body", ""):
        app.add_css_file("explorers/explorers.css")
        app.add_js_file("explorers/load.js", loading_method="defer")


def write_digits(_app):
    """Write the playground's data, which the course's data make."""
    (playground.SCRIPTS / "digits.js").write_text(playground.digits_script(), encoding="ascii")


def add_playground(app, pagename, *_):
    """Give the playground's page its scripts, and no other page."""
    if pagename == "playground":
        app.add_css_file("playground/playground.css")
        for name in (*playground.ENGINE, "digits", *playground.PAGE):
            app.add_js_file(f"playground/{name}.js", loading_method="defer")


def name_folded_cells(_app, _pagename, _template, context, _doctree):
    """Let a folded cell be called what is written on it: the label of myst-nb says something else (WCAG 2.5.3)."""
    if "body" in context:
        context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")


def add_button_for_this_browser(_app, pagename, _template, context, _doctree):
    """Where `make lite` is to follow (COURSE_LITE=1), give its notebooks a button beside those of Colab and Binder."""
    name = pagename.rpartition("/")[2]
    if os.environ.get("COURSE_LITE") == "1" and pagename.startswith("notebooks/") and name in lite.NOTEBOOKS:
        button = {
            "type": "link",
            "text": "In this browser",
            "tooltip": "Run it in this browser tab, with nothing installed",
            "url": f"../lite/lab/index.html?path=notebooks/{name}.ipynb",
            "icon": "fas fa-bolt",
            "label": "lite",
        }
        groups = [one for one in context["header_buttons"] if one.get("label") == "launch-buttons"]
        (groups[0]["buttons"] if groups else context["header_buttons"]).append(button)


def remove_source_maps(app, error):
    """Leave out the maps of the theme's scripts and styles: three megabytes that no reader asks for."""
    if not error:
        for path in Path(app.outdir).rglob("*.map"):
            path.unlink()


def setup(app):
    """What Sphinx calls first."""
    app.connect("builder-inited", copy_notebooks)
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", write_digits)
    app.connect("html-page-context", add_playground)
    app.connect("html-page-context", add_explorer_scripts)
    app.connect("html-page-context", name_folded_cells)
    app.connect("html-page-context", add_button_for_this_browser, priority=900)  # the theme makes its own before
    app.connect("doctree-read", add_alternative_texts)
    app.connect("doctree-read", add_explorers)
    app.connect("build-finished", remove_source_maps)
