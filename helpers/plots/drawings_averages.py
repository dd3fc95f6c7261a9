"""Drawings of averages: how a moving average approaches its goal, and over which images devices take their means."""

from helpers.plots.colors import COLORS
from helpers.plots.style import Plot, new_figure

MOVING, GOAL = COLORS[1], COLORS[0]


def water_levels(shares):
    """Moving averages as the water in glasses: one row for each momentum, one glass for each step.

    shares: {name of the row: {step: share of the way that is covered, 0 to 1}}, the same steps in every row. The dashed
    line is the batch mean, at 1. Returns a Plot whose caption lists every level.
    """
    figure, axis = new_figure(width=9.0, height=0.5 + 1.35 * len(shares))
    axis.axis("off")
    steps = list(next(iter(shares.values())))
    axis.set(xlim=(-1.15, len(steps) - 0.4), ylim=(1.6 * len(shares) - 0.1, -0.55))
    for at, step in enumerate(steps):
        axis.text(at, -0.35, f"step {step}", ha="center", fontsize=10, weight="bold")
    for row, (name, levels) in enumerate(shares.items()):
        bottom = 1.6 * row + 1.25
        axis.text(-0.5, bottom - 0.5, name, ha="right", va="center", fontsize=10)
        axis.plot([-0.45, len(steps) - 0.55], [bottom - 1] * 2, color=GOAL, linestyle="--", linewidth=1.2)
        axis.text(-0.5, bottom - 1, "batch mean", ha="right", va="center", fontsize=8, color=GOAL)
        for at, level in enumerate(levels.values()):
            _glass(axis, at, bottom, level)
    rows = (f"{name}: " + ", ".join(f"{100 * level:.0f} % after step {step}" for step, level in levels.items())
            for name, levels in shares.items())  # fmt: skip
    return Plot(figure, f"How far the moving mean has risen from 0 to the batch mean. {'; '.join(rows)}.")


def devices(images, count):
    """A batch split over devices: on the left each device takes its own mean, on the right all take one mean.

    images: of the whole batch, a multiple of `count`, the number of devices. Returns a Plot.
    """
    figure, axes = new_figure(1, 2, width=9.0, height=2.3)
    each = images // count
    for axis, title, together in zip(axes, ("synchronized=False", "synchronized=True"), (False, True), strict=True):
        axis.axis("off")
        axis.set(xlim=(-0.6, images - 0.4), ylim=(2.5, -0.6), title=title)
        for device in range(count):
            middle = device * each + (each - 1) / 2
            axis.text(middle, -0.35, f"device {device + 1}", ha="center", fontsize=9)
            goal = (images - 1) / 2 if together else middle
            for image in range(device * each, (device + 1) * each):
                axis.plot(image, 0.3, "s", markersize=11, color="#EEEEEE", markeredgecolor="#333333")
                arrow = {"arrowstyle": "-|>", "color": GOAL, "linewidth": 1}
                axis.annotate("", xy=(goal, 1.75), xytext=(image, 0.55), arrowprops=arrow)
            if not together:
                _mean(axis, middle, f"mean\nof {each}")
        if together:
            _mean(axis, (images - 1) / 2, f"mean of {images}")
    caption = (
        f"A batch of {images} images on {count} devices. Left, without synchronising: each device takes the mean and "
        f"the variance of its own {each} images. Right, synchronised: all devices use the mean and the variance of all "
        f"{images} images."
    )
    return Plot(figure, caption)


def _glass(axis, x, bottom, level):
    axis.bar(x, -level, 0.5, bottom=bottom, color=MOVING, alpha=0.75)
    axis.plot([x - 0.25, x - 0.25, x + 0.25, x + 0.25], [bottom - 1.12, bottom, bottom, bottom - 1.12], color="#333333")
    axis.text(x + 0.29, bottom - 0.08, f"{100 * level:.0f} %", fontsize=9)


def _mean(axis, x, words):
    axis.text(x, 2.0, words, ha="center", va="center", fontsize=9, color="white",
              bbox={"boxstyle": "square,pad=0.3", "facecolor": GOAL, "edgecolor": "#333333"})  # fmt: skip
