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
