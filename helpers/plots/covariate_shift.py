"""Figures of notebook 01: distributions inside a network that trains, and how far they move.

arms: {name: Runs} with `pre_activations` probed at the same steps; layers in the order of the network.
"""

import numpy as np

from helpers.plots.colors import COLORS, LINESTYLES, MARKERS
from helpers.plots.style import Plot, new_figure
from helpers.shift import drift, drift_parts, travel
from helpers.statistics import mean_interval

PERCENTILES = (15, 50, 85)  # as in Ioffe & Szegedy 2015, Figure 1


def _chosen_seed(arms, seed):
    """The given seed, or the first of all runs where it is None."""
    return next(iter(arms.values())).seeds[0] if seed is None else seed


def _position_of_seed(runs, seed):
    """The position of the run with this seed. Raises ValueError where there is none."""
    if seed not in runs.seeds:
        raise ValueError(f"No run has the seed {seed!r}; there are {tuple(runs.seeds)}.")
    return runs.seeds.index(seed)


def hill(values, points):
    """The outline of the distribution of `values`, (n,): places, (points,) in their units, and heights, at most 1."""
    # A Gaussian kernel by Scott's rule; scipy.stats.gaussian_kde would take half of the time of an explorer's redraw.
    bandwidth = max(values.std() * len(values) ** -0.2, 1e-4)
    x = np.linspace(values.min() - 3 * bandwidth, values.max() + 3 * bandwidth, points)
    density = np.exp(-0.5 * ((x[:, None] - values) / bandwidth) ** 2).sum(axis=1)
    return x, density / density.max()


def ridge(axis, values, base, height, color, *, alpha=0.9):
    """Draw the distribution of `values` as a hill of the given height standing on the horizontal line at `base`.

    The height is the same for every hill, so that narrow distributions stay visible: compare places and widths.
    """
    x, heights = hill(values, 120)
    axis.fill_between(x, base, base + height * heights, color=color, alpha=alpha, linewidth=0)
    axis.plot(x, base + height * heights, color="white", linewidth=1)


def percentiles_over_training(arms, *, unit, seed=None):
    """The 15th, 50th and 85th percentile of one unit of every layer over training: a row per arm, a column per layer.

    seed: whose percentiles are drawn in colour, by default the first; grey are the medians of the same unit with the
    other seeds. Returns a Plot.
    """
    seed = _chosen_seed(arms, seed)
    layers = len(next(iter(arms.values())).pre_activations)
    figure, axes = new_figure(
        len(arms), layers, width=10, height=2.3 * len(arms), sharex=True, sharey=True, squeeze=False
    )
    sentences = []
    for i, (name, runs) in enumerate(arms.items()):
        row, at = _position_of_seed(runs, seed), runs.settings.probes.at
        for column, values in enumerate(runs.pre_activations.values()):
            axis = axes[i, column]
            others = np.delete(np.median(values[..., unit], axis=2), row, axis=0)
            axis.plot(at, others.T, color="#AAAAAA", linewidth=0.6)
            low, middle, high = np.percentile(values[row, :, :, unit], PERCENTILES, axis=1)
            axis.fill_between(at, low, high, color=COLORS[i], alpha=0.2, linewidth=0)
            axis.plot(at, low, color=COLORS[i], linestyle=LINESTYLES[1], linewidth=1)
            axis.plot(at, high, color=COLORS[i], linestyle=LINESTYLES[1], linewidth=1)
            axis.plot(at, middle, color=COLORS[i], linewidth=2)
            axis.set_title(f"{name} · hidden layer {column + 1}", fontsize=10)
        for where, percentile in zip((low, middle, high), PERCENTILES, strict=True):
            axis.annotate(f"{percentile} %", (at[-1], where[-1]), (3, -3), textcoords="offset points", fontsize=8)
        sentences.append(
            f"{name}, last layer: the middle moves between {middle.min():.2f} and {middle.max():.2f}, the band from 15 "
            f"to 85 % is {(high - low).min():.1f} to {(high - low).max():.1f} wide"
        )
    figure.supxlabel("training steps", fontsize=10)
    figure.supylabel("pre-activation", fontsize=10)
    return Plot(figure, f"Unit {unit} of each layer, seed {seed}; grey: its median with the other seeds. "
                        f"{'; '.join(sentences)}.")  # fmt: skip


def ridgelines(arms, *, layer, unit, seed=None, every=2):
    """The distribution of one unit at every second (or `every`-th) probe, one hill above the other. Returns a Plot.

    layer: its number, from 1. unit: its number, from 0. seed: which run is shown, by default the first.
    """
    seed = _chosen_seed(arms, seed)
    figure, (axes,) = new_figure(1, len(arms), width=10, height=4.6, sharex=True, sharey=True, squeeze=False)
    widths = []
    for i, (axis, (name, runs)) in enumerate(zip(axes, arms.items(), strict=True)):
        at = runs.settings.probes.at[::every]
        values = list(runs.pre_activations.values())[layer - 1][_position_of_seed(runs, seed), ::every, :, unit]
        for number in range(len(at) - 1, -1, -1):  # from the top down, so that a hill covers the foot of the one above
            ridge(axis, values[number], at[number], 1.6 * (at[1] - at[0]), COLORS[i])
        axis.set(title=f"{name} · hidden layer {layer}, unit {unit}", xlabel="pre-activation")
        axis.grid(axis="x")
        widths.append(f"{name} from {values[0].std():.2f} to {values[-1].std():.2f}")
    axes[0].set_yticks(at[:: -(-len(at) // 8)])  # at most 8, and none above the last step, where only its hill is
    axes[0].set_ylabel("training step (first below, last on top)")
    return Plot(figure, f"Each hill is the unit's distribution over the same {values.shape[1]} images at one step, "
                        f"seed {seed}; all hills have the same height. Its standard deviation goes, "
                        f"{'; '.join(widths)}.")  # fmt: skip


def drift_over_training(arms):
    """How far the distributions move from one probe to the next, over training, one panel per layer. Returns a Plot."""
    layers = len(next(iter(arms.values())).pre_activations)
    figure, (axes,) = new_figure(1, layers, width=10, height=3.2, sharey=True, squeeze=False)
    last = {}
    for i, (name, runs) in enumerate(arms.items()):
        at = np.array(runs.settings.probes.at)
        for axis, values in zip(axes, runs.pre_activations.values(), strict=True):
            moved = drift(values).mean(axis=2)
            intervals = [mean_interval(moved[:, number], unit="") for number in range(moved.shape[1])]
            mean, low, high = (np.array([getattr(one, part) for one in intervals]) for part in ("mean", "low", "high"))
            axis.fill_between(at[1:], np.maximum(low, 1e-3), high, color=COLORS[i], alpha=0.2, linewidth=0)
            axis.plot(at[1:], mean, color=COLORS[i], linestyle=LINESTYLES[i], marker=MARKERS[i], markevery=3,
                      markersize=4, label=name)  # fmt: skip
        last[name] = mean
    for number, axis in enumerate(axes, start=1):
        axis.set(title=f"hidden layer {number}", xlabel="training step", yscale="log")
    axes[0].set_ylabel(f"drift in {at[1] - at[0]} steps")
    axes[-1].legend(frameon=False)
    said = "; ".join(
        f"{name} {mean[0]:.2f} in the first {at[1]} steps, then {mean[1:].min():.2f} to {mean[1:].max():.2f}, the most "
        f"before step {at[1:][1 + mean[1:].argmax()]}"
        for name, mean in last.items()
    )
    return Plot(figure, f"Last layer: {said}. Means of {len(runs.seeds)} seeds with 95 % bands; note the log scale.")


def drift_parts_bars(arms):
    """What the squared drift of every layer consists of: moves of the mean, of the spread, of the shape.

    Returns a Plot.
    """
    layers = len(next(iter(arms.values())).pre_activations)
    figure, (axes,) = new_figure(1, len(arms), width=10, height=2.2, sharey=True, squeeze=False)
    said = []
    for axis, (name, runs) in zip(axes, arms.items(), strict=True):
        parts = np.array([[part.mean() for part in drift_parts(values)] for values in runs.pre_activations.values()])
        shares = 100 * parts / parts.sum(axis=1, keepdims=True)
        left = np.zeros(layers)
        for share, hatch, color, label in zip(
            shares.T, ("", "//", ".."), COLORS[3:6], ("mean", "spread", "shape"), strict=True
        ):
            axis.barh(range(1, layers + 1), share, left=left, color=color, hatch=hatch, edgecolor="white", label=label)
            left += share
        axis.set(title=name, xlabel="share of the squared drift (%)", xlim=(0, 100), yticks=range(1, layers + 1))
        low, high = shares[:, :2].sum(axis=1).min(), shares[:, :2].sum(axis=1).max()
        whole, shape = parts.sum(axis=1).mean(), parts[:, 2].mean()
        said.append(f"{name}, mean and spread together make {low:.0f} to {high:.0f} % of the squared drift, the rest "
                    f"is a change of shape (mean squared drift {whole:.4f}, of which shape {shape:.4f})")  # fmt: skip
    axes[0].set_ylabel("hidden layer")
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return Plot(figure, f"{'; '.join(said)}.")


def image_positions(arms, *, layer, unit, before, after, seed=None):
    """Each image's place in the distribution of one unit at two probed steps, joined by a line. Returns a Plot."""
    seed = _chosen_seed(arms, seed)
    figure, (axes,) = new_figure(1, len(arms), width=10, height=3.8, sharey=True, squeeze=False)
    said = []
    for i, (axis, (name, runs)) in enumerate(zip(axes, arms.items(), strict=True)):
        steps = [runs.settings.probes.at.index(step) for step in (before, after)]
        values = list(runs.pre_activations.values())[layer - 1][_position_of_seed(runs, seed), steps, :, unit]
        axis.plot([0, 1], values, color=COLORS[i], linewidth=0.5, alpha=0.35)
        for side, column in enumerate(values):
            low, middle, high = np.percentile(column, PERCENTILES)
            axis.plot([side, side], [low, high], color="black", linewidth=5, alpha=0.8, solid_capstyle="butt")
            axis.plot(side, middle, marker="o", color="white", markeredgecolor="black")
        axis.set_xticks([0, 1], [f"step {before}", f"step {after}"])
        axis.set(title=f"{name} · hidden layer {layer}, unit {unit}", xlim=(-0.15, 1.15))
        both = values[None, :, :, None]  # (seeds, probes, rows, units)
        rank = np.corrcoef(*values)[0, 1]
        said.append(f"{name}, the distribution drifts by {drift(both).item():.2f}, an image travels by "
                    f"{travel(both).item():.2f} (correlation of old and new values {rank:.2f})")  # fmt: skip
    axes[0].set_ylabel("pre-activation")
    return Plot(figure, f"Each line is one of {values.shape[1]} images, seed {seed}; bars: 15 to 85 %, circles: the "
                        f"median. {'; '.join(said)}.")  # fmt: skip


def drift_against_accuracy(points, *, steps, score="training accuracy (%)"):
    """Accuracy against drift: one marker per seed, the name beside the mean of each arm. Returns a Plot.

    points: {name: (drift of each seed, accuracy of each seed as a share from 0 to 1)}. steps: the step up to which the
    drift was averaged.
    """
    figure, axis = new_figure(width=8.5, height=4.2)
    said = []
    for i, (name, (moved, accuracy)) in enumerate(points.items()):
        axis.plot(moved, 100 * accuracy, MARKERS[i], color=COLORS[i], alpha=0.55, markersize=7)
        axis.plot(moved.mean(), 100 * accuracy.mean(), MARKERS[i], color="none", markersize=15, mec="black")
        axis.annotate(name, (moved.mean(), 100 * accuracy.mean()), (0, -22), textcoords="offset points",
                      color=COLORS[i], weight="bold", ha="center")  # fmt: skip
        said.append(f"{name}: drift {moved.mean():.2f}, accuracy {100 * accuracy.mean():.0f} %")
    reach = np.concatenate([moved for moved, _ in points.values()])
    axis.set(xscale="log", xlabel=f"drift in 25 steps, up to step {steps}, mean of all layers (log scale)",
             ylabel=score, ylim=(0, 108), xlim=(reach.min() / 1.3, reach.max() * 1.6))  # fmt: skip
    axis.set_xticks(*zip(*((tick, f"{tick:g}") for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5)
                           if reach.min() / 1.3 < tick < reach.max() * 1.6), strict=True))  # fmt: skip
    axis.minorticks_off()
    return Plot(
        figure, f"{'; '.join(said)}. Drift up to step {steps}. Small markers are seeds, the hollow one is their mean."
    )
