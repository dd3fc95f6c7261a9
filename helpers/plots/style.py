"""A figure in the course's style, with its caption in words."""

import io
from typing import NamedTuple

import numpy as np

from helpers.environment import needed_for

with needed_for("A figure"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image  # comes with Matplotlib


DPI = 100


class Plot(NamedTuple):
    """A figure and its description in words. Shows itself in a notebook: the picture, then the caption."""

    figure: Figure
    caption: str

    def png(self):
        """The figure as PNG bytes, with 256 colours: a third of the size, and the same to the eye."""
        drawn, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI)
        Image.open(drawn).convert("RGB").quantize(256).save(small, format="PNG", optimize=True)
        return small.getvalue()

    def _ipython_display_(self):
        from IPython import display

        # As metadata, because the IPython of Colab has no argument `alt`.
        display.display(display.Image(self.png(), format="png", metadata={"alt": self.caption}))
        display.display(display.Markdown(f"*{self.caption}*"))


def new_figure(rows=1, columns=1, *, width=8.0, height=3.6, **subplots):
    """A Matplotlib figure in the course's style, made without pyplot so that nothing is shown twice or kept alive.

    width, height: inches for the whole figure. Further keywords go to `Figure.subplots`.
    Returns the figure and its axes as `Figure.subplots` does.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, **subplots)
    for axis in np.ravel(axes):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(True, color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=9)
    return figure, axes
