"""The course's figures: one style, and a caption in words computed from the data under each of them."""

import io
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.statistics import mean_interval, paired_difference

# Okabe & Ito's palette: distinguishable with every common colour vision. Arm i takes entry i of all three lists,
# so that no figure relies on colour alone.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
LINESTYLES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
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

        display(Image(self.png(), format="png", alt=self.caption))
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

    arms: {name: Runs}. score: a field of `Scores`; accuracies are shown in percent. statistics: "moving" or
    "recomputed". Returns a Plot.
    """
    figure, axis = new_figure(width=7.5, height=3.6)
    sentences = []
    for i, (name, runs) in enumerate(arms.items()):
        values = 100 * getattr(getattr(runs, statistics), score)
        intervals = [mean_interval(values[:, at], unit="") for at in range(values.shape[1])]
        mean, low, high = (np.array([getattr(interval, part) for interval in intervals]) for part in ("mean", "low", "high"))
        axis.fill_between(runs.evaluated_at, low, high, color=COLORS[i], alpha=0.2, linewidth=0)
        axis.plot(runs.evaluated_at, mean, color=COLORS[i], linestyle=LINESTYLES[i], marker=MARKERS[i], markersize=4,
                  markevery=max(1, len(mean) // 10), label=name)  # fmt: skip
        sentences.append(f"{name}: {mean[0]:.0f} % after {runs.evaluated_at[0]} steps, {mean[-1]:.1f} % at the end")
    axis.set(xlabel="training steps", ylabel=f"{score.replace('_', ' ')} (%)")
    axis.legend(frameon=False, loc="best")
    seeds = len(next(iter(arms.values())).seeds)
    return Plot(figure, f"{'; '.join(sentences)}. Lines are means of {seeds} seeds, bands their 95 % intervals.")


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
        reach = f"from {works[0]:g} to {works[-1]:g}" if len(works) else "nowhere"
        sentences.append(f"{name}: every seed passes {100 * trained:.0f} % {reach}")
    axis.axhline(100 * trained, color="#555555", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", xlabel="learning rate", ylabel="final test accuracy (%)", ylim=(0, 103))
    axis.legend(frameon=False, loc="best")
    return Plot(figure, f"{'; '.join(sentences)}. Lines are means over {final.shape[1]} seeds, each dot is one seed.")


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
    right.set_yticks(range(1, len(names)), names[1:])
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
    reach = 1.15 * max(scale * abs(end) for each in intervals.values() for end in (each.low, each.high, margin or 0))
    axis.set_xlim(-reach, reach)
    shaded = f" Shaded: less than {scale * margin:g} points either way." if margin is not None else ""
    return Plot(figure, "; ".join(f"{name}: {interval}" for name, interval in intervals.items()) + f".{shaded}")


def accuracy_by_rate(sweep, **point):
    """The learning rates, (rates,) ascending, and the final test accuracy of every seed at them, (rates, seeds).

    sweep: a `Sweep` over "learning_rate" and more; point: the other settings, enough to leave one run at each rate.
    Accuracies are with recomputed statistics. Returns two empty arrays where the sweep holds no such point.
    """
    found = {
        own["learning_rate"]: runs.recomputed.test_accuracy[:, -1]
        for own, runs in zip(sweep.points, sweep.runs, strict=True)
        if point.items() <= own.items()
    }
    return np.array(sorted(found)), np.array([found[rate] for rate in sorted(found)])


def order_map(sweep, *, trained=0.5, decides=0.05):
    """Where the order decides: before - after in points, a row per activation and depth, a column per learning rate.

    sweep: a `Sweep` over "activation", "depth", "normalization" and "learning_rate". trained: where neither order
    reaches this mean accuracy, the cell is hatched. decides: from this difference on a cell says which order is ahead; the star
    marks the rate at which the better order does best. Returns a Plot.
    """
    rows = list(dict.fromkeys((point["depth"], point["activation"]) for point in sweep.points))
    arms = [
        [accuracy_by_rate(sweep, activation=activation, depth=depth, normalization=order)[1].mean(axis=1)
         for order in ("before", "after")]
        for depth, activation in rows
    ]  # fmt: skip
    rates = accuracy_by_rate(sweep, activation=rows[0][1], depth=rows[0][0], normalization="before")[0]
    before, after = np.moveaxis(np.array(arms), 1, 0)  # (rows, rates) each
    best = np.maximum(before, after)
    figure, axis = new_figure(width=8.0, height=1.5 + 0.46 * len(rows))
    axis.grid(False)
    axis.pcolormesh(100 * (before - after), cmap="PuOr_r", vmin=-100, vmax=100, edgecolors="white", linewidth=2)
    for row, column in np.ndindex(best.shape):
        _order_cell(axis, row, column, before[row, column] - after[row, column], best[row], trained, decides)
    axis.set_xticks(np.arange(len(rates)) + 0.5, [f"{rate:g}" for rate in rates])
    axis.set_yticks(np.arange(len(rows)) + 0.5, [f"{activation}, {depth} layers" for depth, activation in rows])
    axis.set(xlabel="learning rate", ylim=(len(rows), 0))
    axis.set_title("before − after, in points of test accuracy", loc="left", fontsize=10)
    return Plot(figure, _describe_orders(rates, before, after, best, trained, decides))


def _order_cell(axis, row, column, difference, best, trained, decides):
    """The words in one cell of the order map; best: the better order's accuracy in all cells of the row."""
    from matplotlib.patches import Rectangle

    if best[column] < trained:
        grey = {"facecolor": "#EEEEEE", "edgecolor": "#CCCCCC", "hatch": "///"}
        axis.add_patch(Rectangle((column, row), 1, 1, linewidth=0, **grey))
        words = "neither trains"
    elif abs(difference) < decides:
        words = f"{100 * difference:+.0f}".replace("+0", "0").replace("-0", "0")
    else:
        words = f"{'before' if difference > 0 else 'after'} +{100 * abs(difference):.0f}"
    star = "★ " if column == best.argmax() else ""
    axis.text(column + 0.5, row + 0.5, star + words, ha="center", va="center", fontsize=9,
              weight="bold" if "+" in words and len(words) > 4 else "normal",
              color="white" if abs(difference) > 0.6 else "black")  # fmt: skip


def _describe_orders(rates, before, after, best, trained, decides):
    difference, learns = before - after, best >= trained
    same = learns & (np.abs(difference) < decides)
    starred = np.zeros_like(learns)
    starred[np.arange(len(best)), best.argmax(axis=1)] = True
    points = f"{100 * decides:g} points"
    sentences = [
        f"Each number is before minus after; ★ is where the better of the two does best. In {same.sum()} of the "
        f"{learns.sum()} cells that train the two differ by less than {points}, in {(same & starred).sum()} of the "
        f"{len(best)} starred ones."
    ]
    for name, ahead in (("Before", learns & (difference >= decides)), ("After", learns & (difference <= -decides))):
        columns = [f"{rate:g}" for rate, here in zip(rates, ahead.any(axis=0), strict=True) if here]
        if columns:
            listed = " and ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))
            sentences.append(f"{name} leads by more in {ahead.sum()}, at learning rate {listed}.")
    return " ".join(sentences)
