"""The picture of what a normalisation averages over: the numbers of a batch of images, by the mean that they share."""

import numpy as np

from helpers.plots.colors import COLORS
from helpers.plots.style import Plot, new_figure

LIGHT = "#F2F2F2"


def shared_means(means, shape=(3, 2, 2, 4)):
    """One grid for each normalisation: images are rows, channels are columns, positions the cells inside.

    means: {name: function}, each takes an array of this shape to the mean that each of its numbers is compared with
    (any shape that broadcasts to it). shape: (images, height, width, channels). Numbers with the same mean carry the
    same number; the group of the very first one is coloured. Returns a Plot.
    """
    images, height, width, channels = shape
    figure, axes = new_figure(1, len(means), width=2.5 * len(means), height=2.9, squeeze=False)
    said = []
    for i, (axis, (name, mean)) in enumerate(zip(axes[0], means.items(), strict=True)):
        groups = groups_of(mean, shape)
        # Rows of the picture: image, then height; columns: channel, then width.
        grid = groups.transpose(0, 1, 3, 2).reshape(images * height, channels * width)
        axis.pcolormesh(grid == grid[0, 0], cmap=_two_colours(COLORS[i]), edgecolors="white", linewidth=0.5)
        for (row, column), group in np.ndenumerate(grid):
            axis.text(column + 0.5, row + 0.5, group + 1, ha="center", va="center", fontsize=6,
                      color="white" if group == grid[0, 0] else "#333333")  # fmt: skip
        for at in range(0, images * height + 1, height):
            axis.axhline(at, color="black", linewidth=1)
        for at in range(0, channels * width + 1, width):
            axis.axvline(at, color="black", linewidth=1)
        axis.set_xticks(width * (np.arange(channels) + 0.5), range(1, channels + 1))
        axis.set_yticks(height * (np.arange(images) + 0.5), range(1, images + 1))
        axis.set(title=name, xlabel="channel", ylabel="image" if i == 0 else "", aspect="equal")
        axis.invert_yaxis()
        axis.grid(False)
        count = groups.max() + 1
        said.append(f"{name}: {count} means, each of {groups.size // count} numbers")
    return Plot(figure, "; ".join(said) + ". The coloured numbers are those that share the first mean.")


def groups_of(mean, shape):
    """Which numbers share a mean: an array of this shape with the number of each one's group, counted from 0."""
    x = np.random.default_rng(0).normal(size=shape)
    _, first, groups = np.unique(np.broadcast_to(mean(x), shape).round(12), return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # the group that comes first in the array is number 0
    return order[groups].reshape(shape)


def _two_colours(color):
    from matplotlib.colors import ListedColormap

    return ListedColormap([LIGHT, color])
