"""What the scripts in docs/static/explorers/ need of an explorer and its runs, small and as JSON can hold it."""

import ipywidgets as widgets
import numpy as np

from helpers.plots import hill

POINTS = 28  # of the outline of a hill
LEVELS = 57  # and its heights, written as the letters from "A" on


def control(name, widget):
    """A control: its name, label and value, and its choices or the ends of its range."""
    stored = {"name": name, "label": widget.description, "value": widget.value}
    if isinstance(widget, widgets.FloatLogSlider):
        count = round((widget.max - widget.min) / widget.step) + 1
        options = [widget.base ** (widget.min + i * widget.step) for i in range(count)]
        return stored | {"options": options, "texts": [f"{option:.0e}" for option in options]}
    if hasattr(widget, "options"):
        texts = [option if isinstance(option, str) else f"{option:g}" for option in widget.options]
        # Buttons stand side by side; the options of a slider lie on a line.
        buttons = isinstance(widget, widgets.ToggleButtons)
        return stored | {"options": list(widget.options), "texts": texts, "buttons": buttons}
    return stored | {"min": widget.min, "max": widget.max, "step": widget.step}


def placement(rows, rates):
    """rows: [{"activation", "depth", "places": {place: (rates, means, best, trained)}}]; rates: all rates, ascending.

    Returns the same with {"place", "columns", "percent", "best", "trained"} for each place: the positions of its rates
    among all, the mean accuracies there in per cent, and the position of the best of them.
    """

    def one(place, own, means, best, trained):
        columns = [rates.index(rate) for rate in own]
        return {"place": place, "columns": columns, "percent": (100 * means).tolist(), "best": best, "trained": trained}

    return [row | {"places": [one(place, *entry) for place, entry in row["places"].items()]} for row in rows]


def distribution(texts, values, image):
    """One unit at one step as a text: the given texts, the image's value, the ends of the hill, and its heights.

    values: (images,), in the units of the pre-activations. A height is a letter, "A" for 0 and so on up to LEVELS.
    """
    x, heights = hill(values, POINTS)
    letters = "".join(chr(ord("A") + round(height)) for height in LEVELS * heights)
    return " ".join([*texts, *(f"{np.round(value, 2) + 0:g}" for value in (image, x[0], x[-1])), letters])
