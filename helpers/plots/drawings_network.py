"""Drawings without data: where a layer stands in a network, and the two modes of Batch Normalization."""

from helpers.plots.colors import COLORS
from helpers.plots.style import Plot, new_figure

BATCH, MOVING, PLAIN, LIGHT = COLORS[0], COLORS[1], "#EEEEEE", "#FFFFFF"


def layer_rows(rows):
    """Networks as rows of boxes, the data flowing from left to right; BatchNorm is blue, an activation has round ends.

    rows: {name: names of the layers in order}. "BatchNorm" and "BN" are Batch Normalization, whatever begins with
    "Dense" is a linear layer, everything else an activation. Returns a Plot whose caption lists every row.
    """
    figure, axis = canvas(width=9.0, height=0.35 + 0.62 * len(rows))
    longest = max(map(len, rows.values()))
    axis.set(xlim=(-0.2, longest + 0.9), ylim=(len(rows) - 0.4, -0.6))
    for row, (name, layers) in enumerate(rows.items()):
        axis.text(0.55, row, name, ha="right", va="center", fontsize=10, weight="bold")
        for at, layer in enumerate(layers):
            color = BATCH if layer in ("BatchNorm", "BN") else PLAIN if layer.startswith("Dense") else LIGHT
            shape = "square,pad=0.35" if layer.startswith("Dense") or color == BATCH else "round4,pad=0.35"
            box(axis, at + 1.2, row, layer, color, shape=shape)
            if at:
                arrow(axis, (at + 0.59, row), (at + 0.8, row))
    return Plot(figure, "; ".join(f"{name}: {' → '.join(layers)}" for name, layers in rows.items()) + ".")


def two_modes():
    """What the layer does with training=True and with training=False: which statistics it uses and which it updates.

    Returns a Plot.
    """
    figure, axes = canvas(1, 2, width=9.0, height=2.9)
    for axis, title in zip(axes, ("training=True, as in fit", "training=False, as in predict"), strict=True):
        axis.set(xlim=(0, 4), ylim=(2.6, -0.5))
        axis.set_title(title, fontsize=11, weight="bold")
        for at, words in (
            (0.35, "batch $x$"),
            (1.9, "subtract the mean,\ndivide by the std"),
            (3.45, r"$\cdot\,\gamma+\beta$"),
        ):
            box(axis, at, 0.1, words, LIGHT if at == 0.35 else PLAIN)
        arrow(axis, (0.78, 0.1), (1.16, 0.1))
        arrow(axis, (2.66, 0.1), (3.05, 0.1))
    training, inference = axes
    box(training, 0.75, 1.15, "mean and variance\nof this batch", BATCH)
    box(training, 2.85, 2.15, "moving_mean,\nmoving_variance", LIGHT, edge=MOVING)
    arrow(training, (0.4, 0.38), (0.55, 0.82), BATCH)
    arrow(training, (1.3, 0.85), (1.75, 0.47), BATCH, "used")
    arrow(training, (1.15, 1.5), (2.05, 2.05), MOVING, "update", dashed=True)
    box(inference, 1.9, 2.15, "moving_mean,\nmoving_variance", MOVING)
    arrow(inference, (1.9, 1.8), (1.9, 0.47), MOVING, "used")
    caption = (
        "Left, in training: the mean and the variance of this batch normalise the batch, and they update the moving "
        "averages, which are not used. Right, at inference: the moving averages normalise the batch, and nothing is "
        "updated. Gamma and beta act alike in both modes."
    )
    return Plot(figure, caption)


def bias_drawing(before, bias):
    """One unit's values for a batch, the same values plus a bias, and both with their batch mean subtracted.

    before: (examples,). bias: the number added to each. Returns a Plot.
    """
    rows = {
        "$z$": before,
        f"$z + b$, with $b = {bias:g}$": before + bias,
        "$z$ − its mean": before - before.mean(),
        "$(z + b)$ − its mean": before + bias - (before + bias).mean(),
    }
    figure, axis = new_figure(width=7.5, height=2.4)
    for row, values in enumerate(rows.values()):
        color = BATCH if row % 2 == 0 else MOVING
        axis.plot(values, [row] * len(values), "o" if row % 2 == 0 else "s", color=color, alpha=0.6)
        axis.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=color, linewidth=2)
    axis.axhline(1.5, color="#555555", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(4), rows)
    axis.set(ylim=(3.5, -0.5), xlabel="value of one unit, a mark for each example; upright line: the mean")
    same = "the same values" if abs(rows["$z$ − its mean"] - rows["$(z + b)$ − its mean"]).max() < 1e-6 else "others"
    caption = (
        f"Above the dotted line, a bias of {bias:g} moves all {len(before)} values of a unit, and their mean, by "
        f"{bias:g}. Below, with the mean subtracted, both rows hold {same}."
    )
    return Plot(figure, caption)


def canvas(rows=1, columns=1, **size):
    figure, axes = new_figure(rows, columns, **size)
    for axis in figure.axes:
        axis.axis("off")
    return figure, axes


def box(axis, x, y, words, color, *, shape="square,pad=0.35", edge="#333333"):
    axis.text(x, y, words, ha="center", va="center", fontsize=9, color="white" if color in (BATCH, MOVING) else "black",
              bbox={"boxstyle": shape, "facecolor": color, "edgecolor": edge})  # fmt: skip


def arrow(axis, start, end, color="#333333", words="", *, dashed=False):
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.4, "linestyle": "--" if dashed else "-"}
    axis.annotate("", xy=end, xytext=start, arrowprops=arrow)
    if words:
        x, y = ((a + b) / 2 for a, b in zip(start, end, strict=True))
        axis.text(x + 0.17, y + (-0.06 if dashed else 0.06), words, fontsize=9, color=color, va="center")
