"""The course's figures: one style, and a caption in words computed from the data under each of them."""

import io
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.statistics import mean_interval, paired_difference


class _Cycle(list):
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
COLORS = _Cycle(["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"])
LINESTYLES = _Cycle(["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))], shift=1)
MARKERS = _Cycle(["o", "s", "^", "D", "v", "P", "X"], shift=1)
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


def learning_curves(arms, score="test_accuracy", *, statistics="moving"):
    """Mean accuracy over the steps of training, one line per arm with its 95 % interval as a band.

    arms: {name: Runs}. score: "test_accuracy" or "train_accuracy". statistics: "moving" or "recomputed". Returns a
    Plot. Raises ValueError for another score: it is drawn in percent.
    """
    if not score.endswith("_accuracy"):
        raise ValueError(f'score must be "test_accuracy" or "train_accuracy", received {score!r}.')
    figure, axis = new_figure(width=7.5, height=3.6)
    sentences = []
    for i, (name, runs) in enumerate(arms.items()):
        values = getattr(getattr(runs, statistics), score)
        interval_band(axis, dict(zip(runs.evaluated_at, map(mean_interval, values.T), strict=True)), i, name)
        first, last = 100 * values[:, 0].mean(), 100 * values[:, -1].mean()
        sentences.append(f"{name}: {first:.0f} % after {runs.evaluated_at[0]} steps, {last:.1f} % at the end")
    axis.set(xlabel="training steps", ylabel=f"{score.replace('_', ' ')} (%)")
    axis.legend(frameon=False, loc="best")
    seeds = len(next(iter(arms.values())).seeds)
    return Plot(figure, f"{'; '.join(sentences)}. Lines are means of {seeds} seeds, bands their 95 % intervals.")


def interval_band(axis, intervals, arm, label):
    """Draw one arm into a Matplotlib axis: the means as a line, the 95 % intervals as a band, shares in percent.

    intervals: {x: Interval}. arm: its number, which gives colour, line style and marker.
    """
    scale = 1 if next(iter(intervals.values())).unit == "" else 100
    mean, low, high = (
        scale * np.array([getattr(interval, part) for interval in intervals.values()])
        for part in ("mean", "low", "high")
    )
    axis.fill_between(list(intervals), low, high, color=COLORS[arm], alpha=0.2, linewidth=0)
    axis.plot(list(intervals), mean, color=COLORS[arm], linestyle=LINESTYLES[arm], marker=MARKERS[arm], markersize=4,
              markevery=max(1, len(mean) // 10), label=label)  # fmt: skip


def learning_rate_sweep(arms, *, trained=0.9, statistics="recomputed"):
    """Final test accuracy against the learning rate, one line per arm, each seed a small dot.

    arms: {name: Sweep} over "learning_rate". trained: the accuracy from which a run counts as trained (share from 0
    to 1); the caption says at which rates all seeds reach it. Returns a Plot.
    """
    figure, axis = new_figure(width=7.5, height=3.6)
    sentences = []
    for i, (name, sweep) in enumerate(arms.items()):
        order = np.argsort([point["learning_rate"] for point in sweep.points])
        rates = np.array([sweep.points[at]["learning_rate"] for at in order])
        final = np.stack([getattr(sweep.runs[at], statistics).test_accuracy[:, -1] for at in order])
        axis.plot(rates, 100 * final.mean(axis=1), color=COLORS[i], linestyle=LINESTYLES[i], marker=MARKERS[i],
                  label=name)  # fmt: skip
        axis.plot(rates, 100 * final, color=COLORS[i], linestyle="none", marker=".", markersize=4, alpha=0.5)
        works = rates[(final > trained).all(axis=1)]
        reach = "at none of the rates" if not len(works) else f"at {works[0]:g}"
        reach += f" to {works[-1]:g}" if len(works) > 1 else ""
        sentences.append(f"{name}: every seed passes {100 * trained:.0f} % {reach}")
    axis.axhline(100 * trained, color="#555555", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", xlabel="learning rate", ylabel="final test accuracy (%)", ylim=(0, 103))
    axis.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axis.minorticks_off()
    axis.legend(frameon=False, loc="best")
    return Plot(figure, f"{'; '.join(sentences)}. Lines are means over {final.shape[1]} seeds, each dot is one seed. "
                f"Dotted: {100 * trained:.0f} %.")  # fmt: skip


def paired_arms(arms, *, unit="%"):
    """Left, each seed's value in every arm, joined by a line; right, each arm's paired difference to the first arm.

    arms: {name: (seeds,)} of shares from 0 to 1 (unit "%") or plain numbers (unit ""), in the same order of seeds.
    Returns a Plot.
    """
    names, values = list(arms), np.array(list(arms.values()), dtype=np.float64)
    scale = 100 if unit == "%" else 1
    figure, (left, right) = new_figure(1, 2, width=8.5, height=3.4, width_ratios=[3, 2])
    left.plot(range(len(names)), scale * values, color="#999999", linewidth=0.8, alpha=0.7)
    for i, name in enumerate(names):
        left.plot(np.full(values.shape[1], i), scale * values[i], color=COLORS[i], marker=MARKERS[i], linestyle="none",
                  alpha=0.8, label=name)  # fmt: skip
    left.set_xticks(range(len(names)), names)
    left.set(xlim=(-0.5, len(names) - 0.5), ylabel="test accuracy (%)" if unit == "%" else "value")
    differences = [paired_difference(row, values[0], "points" if unit == "%" else "") for row in values[1:]]
    for i, difference in enumerate(differences, start=1):
        right.errorbar(
            scale * difference.mean, i,
            xerr=[[scale * (difference.mean - difference.low)], [scale * (difference.high - difference.mean)]],
            color=COLORS[i], marker=MARKERS[i], capsize=4,
        )  # fmt: skip
    right.axvline(0, color="#555555", linewidth=0.8, linestyle=":")
    right.set_yticks(range(1, len(names)), [f"{name}\n− {names[0]}" for name in names[1:]])
    right.set(ylim=(0.4, len(names) - 0.4), xlabel="difference" + (" (points)" if unit == "%" else ""))
    said = "; ".join(f"{name}: {difference}" for name, difference in zip(names[1:], differences, strict=True))
    return Plot(figure, f"Against {names[0]}, seed by seed: {said}. Each grey line is one seed.")


def interval_rows(intervals, *, margin=None, xlabel="difference (points)"):
    """One row for each interval, its mean as a marker and its 95 % interval as a line, around a line at zero.

    intervals: {name: Interval}, all of one unit. margin: shade everything nearer to zero than this (in that unit, so
    0.05 means 5 points). Returns a Plot whose caption lists the intervals.
    """
    names = list(intervals)
    scale = 1 if intervals[names[0]].unit == "" else 100
    figure, axis = new_figure(width=7.5, height=1.0 + 0.32 * len(names))
    if margin is not None:
        axis.axvspan(-scale * margin, scale * margin, color="#BBBBBB", alpha=0.35, linewidth=0)
    axis.axvline(0, color="#555555", linewidth=0.8, linestyle=":")
    for row, interval in enumerate(intervals.values()):
        axis.plot([scale * interval.low, scale * interval.high], [row, row], color=COLORS[0], linewidth=2)
        axis.plot(scale * interval.mean, row, MARKERS[0], color=COLORS[0])
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel=xlabel, ylim=(len(names) - 0.5, -0.5))
    ends = [scale * end for each in intervals.values() for end in (each.low, each.high, margin or 0, -(margin or 0))]
    reach = max(ends) - min(ends)
    axis.set_xlim(min(ends) - 0.05 * reach, max(ends) + 0.05 * reach)
    shaded = f" Shaded: less than {scale * margin:g} points either way." if margin is not None else ""
    return Plot(figure, "; ".join(f"{name}: {interval}" for name, interval in intervals.items()) + f".{shaded}")


def accuracy_by_rate(sweep, *, score="test_accuracy", **point):
    """The learning rates, (rates,) ascending, and the final accuracy of every seed at them, (rates, seeds).

    sweep: a `Sweep` over "learning_rate" and more; point: the other settings, enough to leave one run at each rate.
    score: "test_accuracy", or "train_accuracy", by which a learning rate is chosen.
    Accuracies are with recomputed statistics. Returns two empty arrays where the sweep holds no such point.
    """
    found = {
        own["learning_rate"]: getattr(runs.recomputed, score)[:, -1]
        for own, runs in zip(sweep.points, sweep.runs, strict=True)
        if point.items() <= own.items()
    }
    return np.array(sorted(found)), np.array([found[rate] for rate in sorted(found)])


def order_map(sweep, *, trained=0.5, decides=0.05):
    """Where the order decides: before - after in points, a row per activation and depth, a column per learning rate.

    sweep: a `Sweep` over "activation", "depth", "normalization" and "learning_rate". trained: where neither order
    reaches this mean accuracy, the cell is hatched. decides: from this difference on a cell says which order is ahead;
    the star marks the rate at which the better order does best on the training images. Returns a Plot.
    """
    rows = list(dict.fromkeys((point["depth"], point["activation"]) for point in sweep.points))

    def means(score):  # (rows, orders, rates)
        arms = [[{"activation": activation, "depth": depth, "normalization": order} for order in ("before", "after")]
                for depth, activation in rows]  # fmt: skip
        return np.array([[accuracy_by_rate(sweep, score=score, **arm)[1].mean(axis=1) for arm in row] for row in arms])

    rates = accuracy_by_rate(sweep, activation=rows[0][1], depth=rows[0][0], normalization="before")[0]
    before, after = np.moveaxis(means("test_accuracy"), 1, 0)  # (rows, rates) each
    best, stars = np.maximum(before, after), means("train_accuracy").max(axis=1).argmax(axis=1)
    figure, axis = new_figure(width=8.0, height=1.5 + 0.46 * len(rows))
    axis.grid(False)
    # The root of a difference, since 10 points must be seen beside 80; no colour where the two count as alike.
    difference = np.where(np.abs(before - after) < decides, 0, before - after)
    shades = np.sign(difference) * np.sqrt(np.abs(difference))
    axis.pcolormesh(shades, cmap="PuOr_r", vmin=-1, vmax=1, edgecolors="white", linewidth=2)
    for row, column in np.ndindex(best.shape):
        difference, learns = before[row, column] - after[row, column], best[row, column] >= trained
        _order_cell(axis, row, column, difference, learns, column == stars[row], decides)
    axis.set_xticks(np.arange(len(rates)) + 0.5, [f"{rate:g}" for rate in rates])
    axis.set_yticks(np.arange(len(rows)) + 0.5, [f"{activation}, {depth} layers" for depth, activation in rows])
    axis.set(xlabel="learning rate", ylim=(len(rows), 0))
    axis.set_title(
        "Who is ahead, in points of test accuracy? white: alike · orange: before · purple: after",
        loc="left",
        fontsize=10,
    )
    return Plot(figure, _describe_orders(rates, before - after, best >= trained, stars, decides))


def _order_cell(axis, row, column, difference, learns, starred, decides):
    """The words in one cell of the order map."""
    from matplotlib.patches import Rectangle

    if not learns:
        grey = {"facecolor": "#EEEEEE", "edgecolor": "#CCCCCC", "hatch": "///"}
        axis.add_patch(Rectangle((column, row), 1, 1, linewidth=0, **grey))
        words = "neither trains"
    elif abs(difference) < decides:
        words = f"{100 * difference:+.0f}".replace("+0", "0").replace("-0", "0").replace("-", "−")
    else:
        words = f"{'before' if difference > 0 else 'after'} +{100 * abs(difference):.0f}"
    star = "★ " if starred else ""
    axis.text(column + 0.5, row + 0.5, star + words, ha="center", va="center", fontsize=9,
              weight="bold" if "+" in words and len(words) > 4 else "normal",
              color="white" if abs(difference) > 0.35 else "black")  # fmt: skip


def _describe_orders(rates, difference, learns, stars, decides):
    same = learns & (np.abs(difference) < decides)
    starred = np.zeros_like(learns)
    starred[np.arange(len(stars)), stars] = True
    points = f"{100 * decides:g} points"
    sentences = [
        f"Each number is before minus after; ★ is where the better of the two does best on the training images. In "
        f"{same.sum()} of the {learns.sum()} cells that train the two differ by less than {points}, in "
        f"{(same & starred).sum()} of the {len(stars)} starred ones."
    ]
    for name, ahead in (("Before", learns & (difference >= decides)), ("After", learns & (difference <= -decides))):
        columns = [f"{rate:g}" for rate, here in zip(rates, ahead.any(axis=0), strict=True) if here]
        if columns:
            listed = " and ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))
            sentences.append(f"{name} leads by more in {ahead.sum()}, at learning rate {listed}.")
    return " ".join(sentences)


# --------------------------------------------------------------------------------------------- internal covariate shift
# arms: {name: Runs} with `pre_activations` probed at the same steps; layers in the order of the network.

PERCENTILES = (15, 50, 85)  # as in Ioffe & Szegedy 2015, Figure 1


def _row(runs, seed):
    """The position of the run with this seed. Raises ValueError where there is none."""
    if seed not in runs.seeds:
        raise ValueError(f"No run has the seed {seed!r}; there are {tuple(runs.seeds)}.")
    return runs.seeds.index(seed)


def ridge(axis, values, base, height, color, *, alpha=0.9):
    """Draw the distribution of `values` as a hill of the given height standing on the horizontal line at `base`.

    The height is the same for every hill, so that narrow distributions stay visible: compare places and widths.
    """
    # A Gaussian kernel by Scott's rule; scipy.stats.gaussian_kde would take half of the time of an explorer's redraw.
    bandwidth = max(values.std() * len(values) ** -0.2, 1e-4)
    x = np.linspace(values.min() - 3 * bandwidth, values.max() + 3 * bandwidth, 120)
    density = np.exp(-0.5 * ((x[:, None] - values) / bandwidth) ** 2).sum(axis=1)
    axis.fill_between(x, base, base + height * density / density.max(), color=color, alpha=alpha, linewidth=0)
    axis.plot(x, base + height * density / density.max(), color="white", linewidth=1)


def percentiles_over_training(arms, *, unit, seed):
    """The 15th, 50th and 85th percentile of one unit of every layer over training: a row per arm, a column per layer.

    seed: whose percentiles are drawn in colour; grey are the medians of the same unit with the other seeds.
    Returns a Plot.
    """
    layers = len(next(iter(arms.values())).pre_activations)
    figure, axes = new_figure(
        len(arms), layers, width=10, height=2.3 * len(arms), sharex=True, sharey=True, squeeze=False
    )
    sentences = []
    for i, (name, runs) in enumerate(arms.items()):
        row, at = _row(runs, seed), runs.settings.probes.at
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


def ridgelines(arms, *, layer, unit, seed, every=2):
    """The distribution of one unit at every second (or `every`-th) probe, one hill above the other. Returns a Plot.

    layer: its number, from 1. unit: its number, from 0. seed: which run is shown.
    """
    figure, (axes,) = new_figure(1, len(arms), width=10, height=4.6, sharex=True, sharey=True, squeeze=False)
    widths = []
    for i, (axis, (name, runs)) in enumerate(zip(axes, arms.items(), strict=True)):
        at = runs.settings.probes.at[::every]
        values = list(runs.pre_activations.values())[layer - 1][_row(runs, seed), ::every, :, unit]
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
    from helpers.shift import drift

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
    from helpers.shift import drift_parts

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


def places_of_images(arms, *, layer, unit, seed, before, after):
    """Each image's place in the distribution of one unit at two probed steps, joined by a line. Returns a Plot."""
    from helpers.shift import drift, travel

    figure, (axes,) = new_figure(1, len(arms), width=10, height=3.8, sharey=True, squeeze=False)
    said = []
    for i, (axis, (name, runs)) in enumerate(zip(axes, arms.items(), strict=True)):
        steps = [runs.settings.probes.at.index(step) for step in (before, after)]
        values = list(runs.pre_activations.values())[layer - 1][_row(runs, seed), steps, :, unit]
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


def saturation(arms, *, limit=0.99):
    """What reaches tanh before the first step, and how much of it lies where |tanh| is above the limit.

    arms: {name: Runs} with `pre_activations` probed at step 0, of all layers. Returns a Plot; its caption also gives
    the final test accuracy of each arm.
    """
    figure, (axes,) = new_figure(1, len(arms), width=8.4, height=3.0, sharex=True, sharey=True, squeeze=False)
    said = []
    for i, (axis, (name, runs)) in enumerate(zip(axes, arms.items(), strict=True)):
        inputs = np.concatenate([values[:, 0].ravel() for values in runs.pre_activations.values()])
        saturated = 100 * np.mean(np.abs(np.tanh(inputs)) > limit)
        axis.hist(inputs, bins=np.linspace(-20, 20, 81), density=True, color=COLORS[i])
        for edge in (-np.arctanh(limit), np.arctanh(limit)):
            axis.axvline(edge, color="black", linestyle=":")
        axis.set(title=f"{name}: {saturated:.1f} % saturated", xlabel="value that reaches tanh")
        said.append(f"{name}: {saturated:.1f} % of the values are saturated before the first step, "
                    f"{100 * runs.recomputed.test_accuracy[:, -1].mean():.0f} % test accuracy after "
                    f"{runs.evaluated_at[-1]} steps")  # fmt: skip
    axes[0].set_ylabel("density")
    return Plot(figure, f"{'; '.join(said)}.")
