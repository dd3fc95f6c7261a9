"""What Batch Normalization does to the columns of a batch, and the graph through which its gradient flows."""

import numpy as np

from helpers.plots.colors import COLORS, MARKERS
from helpers.plots.drawings_network import arrow, box, canvas
from helpers.plots.style import Plot, new_figure

FORWARD, FOUND, NEW = "#9A9A9A", COLORS[0], COLORS[1]

# Where each value of the forward pass stands in the drawing.
PLACES = {
    "$x$": (0.0, 0.0),
    r"$\mu$": (1.7, 1.6),
    "$s = x - \\mu$": (3.3, 0.0),
    "$v$": (4.7, 1.6),
    "$r$": (6.5, 1.6),
    r"$\hat x = s \cdot r$": (7.0, 0.0),
    r"$\gamma, \beta$": (9.4, 1.6),
    r"$y = \gamma \hat x + \beta$": (10.2, 0.0),
}

# Every edge of the forward pass: from, to, the step of the derivation that finds its gradient, the gradient, and where
# its words stand beside the middle of the edge.
EDGES = (
    (r"$\hat x = s \cdot r$", r"$y = \gamma \hat x + \beta$", 1, r"$d\hat x = \gamma \cdot dy$", (0.0, -0.42)),
    (r"$\gamma, \beta$", r"$y = \gamma \hat x + \beta$", 1,
     "$d\\beta = \\sum dy$\n$d\\gamma = \\sum dy \\cdot \\hat x$",
     (1.0, 0.25)),
    ("$s = x - \\mu$", r"$\hat x = s \cdot r$", 2, r"$d\hat x \cdot r$", (0.0, -0.42)),
    ("$r$", r"$\hat x = s \cdot r$", 2, "$dr = \\sum d\\hat x \\cdot s$", (1.1, 0.1)),
    ("$v$", "$r$", 3, r"$dv = -\frac{1}{2} r^3 dr$", (0.0, 0.4)),
    ("$s = x - \\mu$", "$v$", 3, r"$2 s \cdot dv / N$", (0.85, -0.1)),
    (r"$\mu$", "$s = x - \\mu$", 4, r"$d\mu = -\sum ds$", (0.75, 0.3)),
    ("$x$", "$s = x - \\mu$", 4, "$ds$", (0.0, -0.42)),
    ("$x$", r"$\mu$", 4, r"$d\mu / N$", (-0.75, 0.1)),
)  # fmt: skip


def feature_strips(stages, *, feature="feature", unit="", note=""):
    """Strips of dots, one for each column of a batch, with its mean and one standard deviation to each side.

    stages: {title: values (examples, features)}, one panel each. feature: what a column is, the label of the x axis.
    unit: the label of the first y axis. note: a sentence behind the caption's own. Returns a Plot.
    """
    figure, axes = new_figure(1, len(stages), width=max(8.0, 3.4 * len(stages)), height=3.4, squeeze=False)
    said = []
    for axis, (title, values) in zip(axes[0], stages.items(), strict=True):
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(values))
        for number, column in enumerate(values.T):
            axis.plot(number + jitter, column, MARKERS[0], color=COLORS[5], ms=3.5)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        axis.errorbar(np.arange(len(mean)), mean, spread, fmt=MARKERS[3], color="black", capsize=5,
                      label="mean ± one standard deviation")  # fmt: skip
        axis.set_xticks(range(len(mean)))
        axis.set(xlabel=feature, title=title)
        said.append(f"“{title}”: means {_range(mean)}, standard deviations {_range(spread)}.")
    axes[0, 0].set_ylabel(unit)
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(low, high + 0.2 * (high - low))  # room for the legend
    axes[0, 0].legend(loc="upper right", fontsize=9)
    return Plot(figure, " ".join([*said, note]).strip())


def backward_graph(step):
    """The computation graph of Batch Normalization, with the gradients that are found after so many steps back.

    step: 0 for the forward pass alone, 1 after y, 2 after the normalised value, 3 after the variance, 4 after the mean.
    N is the number of rows, v the variance, r = 1/√(v + epsilon); sums run over the rows (Ioffe & Szegedy 2015,
    section 3). Returns a Plot. Raises ValueError for another step.
    """
    if step not in range(5):
        raise ValueError(f"step must be 0, 1, 2, 3 or 4, received {step!r}.")
    figure, axis = canvas(width=9.5, height=3.0)
    axis.set(xlim=(-0.7, 11.9), ylim=(-0.75, 2.2))
    found = []
    for start, end, found_in, gradient, aside in EDGES:
        known, new = found_in <= step, found_in == step
        color = NEW if new else FOUND if known else FORWARD
        tail, head = _shortened(PLACES[start], PLACES[end])
        arrow(axis, *((head, tail) if known else (tail, head)), color)
        if known:
            x, y = ((a + b) / 2 + shift for a, b, shift in zip(PLACES[start], PLACES[end], aside, strict=True))
            axis.text(x, y, gradient, ha="center", va="center", fontsize=10, color=color)
            found.append(_as_text(gradient))
    for words, (x, y) in PLACES.items():
        box(axis, x, y, words, "#FFFFFF")
    arrow(axis, (11.85, 0.0), (11.2, 0.0), FOUND if step else FORWARD)
    axis.text(11.6, -0.42, "$dy$", ha="center", va="center", fontsize=10, color=FOUND if step else FORWARD)
    return Plot(figure, _caption_of_backward_graph(step, found))


def _caption_of_backward_graph(step, found):
    if step == 0:
        return "The forward pass, from left to right. From the right comes dy, the gradient with respect to y."
    rest = len(EDGES) - len(found)
    grey = f" The {rest} grey arrows still point forward: their gradients are not found yet." if rest else ""
    return f"After step {step}, the gradient on every coloured arrow is known: {'; '.join(found)}.{grey}"


def _shortened(start, end, gap=0.3):
    """The two ends of an arrow that leaves room for the boxes in which it starts and ends."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        wide = 0.95 if x1 - x0 > 2.5 else 0.3
        return (x0 + (wide if x0 else 0.3), y0), (x1 - wide, y1)
    share = gap / abs(y1 - y0)
    return (x0 + share * (x1 - x0), y0 + share * (y1 - y0)), (x1 - share * (x1 - x0), y1 - share * (y1 - y0))


def _as_text(formula):
    """A formula of the drawing for readers of the caption and for screen readers."""
    signs = {"\\hat x": "x̂", "\\gamma": "γ", "\\beta": "β", "\\mu": "μ", "\\sum": "Σ", "\\cdot": "·",
             "\\frac{1}{2}": "½ ·", "^3": "³ ·", "$": "", "\n": " and "}  # fmt: skip
    for sign, text in signs.items():
        formula = formula.replace(sign, text)
    return formula


def _range(values):
    """The smallest and the largest of them with one decimal, and never a minus before zero."""
    low, high = (f"{value:.1f}".replace("-0.0", "0.0") for value in (values.min(), values.max()))
    return low if low == high else f"from {low} to {high}"
