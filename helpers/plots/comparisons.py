"""Figures that compare arms: over the steps of training, over learning rates, in pairs, as intervals."""

import numpy as np

from helpers.plots.colors import COLORS, LINESTYLES, MARKERS
from helpers.plots.style import Plot, new_figure
from helpers.statistics import mean_interval, paired_difference


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

    arms: {name: Sweep} over "learning_rate". trained: how far a run must come from chance to the best mean of all arms
    to count as trained (share from 0 to 1); the caption says at which rates all seeds do. Returns a Plot.
    """
    figure, axis = new_figure(width=7.5, height=3.6)
    sentences = []
    enough = trained_from([runs for sweep in arms.values() for runs in sweep.runs], trained, statistics)
    for i, (name, sweep) in enumerate(arms.items()):
        order = np.argsort([point["learning_rate"] for point in sweep.points])
        rates = np.array([sweep.points[at]["learning_rate"] for at in order])
        final = np.stack([getattr(sweep.runs[at], statistics).test_accuracy[:, -1] for at in order])
        axis.plot(rates, 100 * final.mean(axis=1), color=COLORS[i], linestyle=LINESTYLES[i], marker=MARKERS[i],
                  label=name)  # fmt: skip
        axis.plot(rates, 100 * final, color=COLORS[i], linestyle="none", marker=".", markersize=4, alpha=0.5)
        works = rates[(final > enough).all(axis=1)]
        sentences.append(f"{name}: {_where_all_pass(works, enough)}")
    axis.axhline(100 * enough, color="#555555", linewidth=0.8, linestyle=":")
    axis.set(xscale="log", xlabel="learning rate", ylabel="final test accuracy (%)", ylim=(0, 103))
    axis.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axis.minorticks_off()
    axis.legend(frameon=False, loc="best")
    return Plot(figure, f"{'; '.join(sentences)}. Lines are means over {final.shape[1]} seeds, each dot is one seed. "
                f"The dotted line at {100 * enough:.0f} % is {100 * trained:.0f} % of the way from guessing to the "
                "best mean.")  # fmt: skip


def _where_all_pass(rates, enough):
    if not len(rates):
        return f"at no rate do all seeds pass {100 * enough:.0f} %"
    reach = f"{rates[0]:g} to {rates[-1]:g}" if len(rates) > 1 else f"{rates[0]:g}"
    return f"at {reach} all seeds pass {100 * enough:.0f} %"


def trained_from(all_runs, share, statistics="recomputed"):
    """The test accuracy that lies this share of the way from chance to the best mean of these runs, from 0 to 1."""
    chance = all_runs[0].settings.datasets[0].chance
    best = max(getattr(runs, statistics).test_accuracy[:, -1].mean() for runs in all_runs)
    return chance + share * (best - chance)


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
    said = "; ".join(f"{name} − {names[0]}: {one}" for name, one in zip(names[1:], differences, strict=True))
    return Plot(figure, f"Differences, seed by seed: {said}. Each grey line is one seed.")


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
