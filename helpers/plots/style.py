"""The course's one style, and a figure with its caption in words."""

import io
from typing import NamedTuple

import numpy as np

from helpers.environment import needed_for

with needed_for("A figure"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure


class _RepeatingList(list):
    """A list that begins again behind its end, each time `shift` entries further on."""

    def __init__(self, entries, shift=0):
        super().__init__(entries)
        self.shift = shift

    def __getitem__(self, index):
        if isinstance(index, int) and index >= len(self):
            index = (index + index // len(self) * self.shift) % len(self)
        return super().__getitem__(index)


# Okabe & Ito's palette: distinguishable with every common colour vision. Arm i takes entry i of all three lists,
# so that no figure relies on colour alone. The colours of the first arms come again with other lines and markers.
COLORS = _RepeatingList(["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"])
LINESTYLES = _RepeatingList(["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))], shift=1)
MARKERS = _RepeatingList(["o", "s", "^", "D", "v", "P", "X"], shift=1)
DPI = 100


class Plot(NamedTuple):
    """A figure and its description in words. Shows itself in a notebook: the picture, then the caption."""

    figure: Figure
    caption: str

    def png(self):
        """The figure as PNG bytes."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()

    def _ipython_display_(self):
        from IPython.display import Image, Markdown, display

        # As metadata, because the IPython of Colab has no argument `alt`.
        display(Image(self.png(), format="png", metadata={"alt": self.caption}))
        display(Markdown(f"*{self.caption}*"))


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
