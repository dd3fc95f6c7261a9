"""The playground of the site as a cell's output: two networks that train in the reader's browser, without a kernel.

Its scripts stand in docs/static/playground, where the site takes them from.
"""

import base64
import json
from pathlib import Path

import numpy as np

from helpers.data import load

STATIC = Path(__file__).parents[1] / "docs" / "static"
SCRIPTS = STATIC / "playground"
PICTURE = STATIC / "playground.png"
# The scripts in the order in which a page loads them. The first also run in the worker and under node.
ENGINE = ("core", "random", "matrix", "layers", "network", "run", "settings", "presets", "worker")
PAGE = ("canvas", "charts", "words", "controls", "page")  # after the engine and `digits_script()`
CAPTION = (
    "The playground: buttons for six presets, the settings, and six pictures of one run without and one with Batch "
    "Normalization (test accuracy, loss, values that reach an activation, gradients, a test image, both answers)."
)


class Playground:
    """Two copies of one network, without Batch Normalization and with it, that train in the browser.

    Shows the page itself where a notebook may run scripts, and its picture where it may not. What the page shows is one
    run: the verdicts of the course are those of its notebooks.
    """

    def __repr__(self):
        return CAPTION

    def _repr_html_(self):
        picture = base64.b64encode(PICTURE.read_bytes()).decode("ascii")
        # A page inside the page, so that neither's styles and names meet the other's.
        return (
            f'<div class="course-playground"><img alt="{CAPTION}" src="data:image/png;base64,{picture}" '
            f'style="max-width: 100%"></div><script>({_OPEN_PAGE})({_as_literal(page())});</script>'
        )


# Puts the page where the picture stands, as high as it needs to be.
_OPEN_PAGE = """text => {
  const place = document.querySelector(".course-playground:not([data-live])");
  if (!place) return;
  place.dataset.live = "";
  const frame = document.createElement("iframe");
  frame.title = "The playground";
  frame.style = "width: 100%; height: 1100px; border: 0; background: white";
  frame.src = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  frame.onload = () => {
    const root = frame.contentDocument?.documentElement;
    if (root) new ResizeObserver(() => (frame.style.height = `${root.offsetHeight + 8}px`)).observe(root);
  };
  place.replaceChildren(frame);
}"""


def page():
    """The playground as one HTML document that asks for no other file."""
    scripts = [(SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in ENGINE]
    scripts += [digits_script(), *((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in PAGE)]
    style = (SCRIPTS / "playground.css").read_text(encoding="utf-8")
    tags = "\n".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The playground</title>'
        f"<style>body {{ margin: 0 4px; font: 16px system-ui, sans-serif }}\n{style}</style></head>"
        f'<body><main><div id="playground" class="playground"></div></main>{tags}</body></html>'
    )


def digits_script():
    """The course's digits as a script: all grey levels, 0 as "A" to 16 as "Q", training images first; labels likewise.

    The page standardises them with the same mean and standard deviation as `helpers.data`.
    """
    digits = load("digits")
    x, y = np.concatenate([digits.x_train, digits.x_test]), np.concatenate([digits.y_train, digits.y_test])
    content = {
        "pixels": _as_text(digits.pixels(x).round()),
        "labels": _as_text(y),
        "trainSize": len(digits.x_train),
        "mean": digits.mean,
        "std": digits.std,
        "classes": len(digits.class_names),
    }
    return f"playground.data = {json.dumps(content)};\n"


def _as_text(numbers):
    return (np.asarray(numbers, np.uint8) + ord("A")).tobytes().decode("ascii")


def _as_literal(text):
    """A JavaScript string that may stand inside a script element."""
    return json.dumps(text).replace("</", "<\\/")
