"""Figures of notebook 04: where the order of Batch Normalization and activation decides, and what saturates."""

import numpy as np

from helpers.plots.colors import COLORS
from helpers.plots.comparisons import trained_from
from helpers.plots.style import Plot, new_figure


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


def placement_map(sweep, *, trained=0.5, decides=0.05):
    """Where the order decides: before - after in points, a row per activation and depth, a column per learning rate.

    sweep: a `Sweep` over "activation", "depth", "normalization" and "learning_rate". trained: where neither order comes
    this share of the way from chance to the best mean of the sweep, the cell is hatched. decides: from this difference
    on a cell says which order is ahead; the star marks the rate at which the better order does best on the training
    images. Returns a Plot.
    """
    rows = list(dict.fromkeys((point["depth"], point["activation"]) for point in sweep.points))

    def means(score):  # (rows, orders, rates)
        arms = [[{"activation": activation, "depth": depth, "normalization": order} for order in ("before", "after")]
                for depth, activation in rows]  # fmt: skip
        return np.array([[accuracy_by_rate(sweep, score=score, **arm)[1].mean(axis=1) for arm in row] for row in arms])

    rates = accuracy_by_rate(sweep, activation=rows[0][1], depth=rows[0][0], normalization="before")[0]
    before, after = np.moveaxis(means("test_accuracy"), 1, 0)  # (rows, rates) each
    enough = trained_from(sweep.runs, trained)
    best, stars = np.maximum(before, after), means("train_accuracy").max(axis=1).argmax(axis=1)
    figure, axis = new_figure(width=8.0, height=1.5 + 0.46 * len(rows))
    axis.grid(False)
    # The root of a difference, since 10 points must be seen beside 80; no colour where the two count as alike.
    difference = np.where(np.abs(before - after) < decides, 0, before - after)
    shades = np.sign(difference) * np.sqrt(np.abs(difference))
    axis.pcolormesh(shades, cmap="PuOr_r", vmin=-1, vmax=1, edgecolors="white", linewidth=2)
    for row, column in np.ndindex(best.shape):
        difference, learns = before[row, column] - after[row, column], best[row, column] >= enough
        _draw_placement_cell(axis, row, column, difference, learns, column == stars[row], decides)
    axis.set_xticks(np.arange(len(rates)) + 0.5, [f"{rate:g}" for rate in rates])
    axis.set_yticks(np.arange(len(rows)) + 0.5, [f"{activation}, {depth} layers" for depth, activation in rows])
    axis.set(xlabel="learning rate", ylim=(len(rows), 0))
    axis.set_title(
        "Who is ahead, in points of test accuracy? white: alike · orange: before · purple: after",
        loc="left",
        fontsize=10,
    )
    return Plot(figure, _describe_placements(rates, before - after, best >= enough, stars, decides))


def _draw_placement_cell(axis, row, column, difference, learns, starred, decides):
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


def _describe_placements(rates, difference, learns, stars, decides):
    same = learns & (np.abs(difference) < decides)
    starred = np.zeros_like(learns)
    starred[np.arange(len(stars)), stars] = True
    points = f"{100 * decides:g} points"
    sentences = [
        f"Each number is before minus after; ★ is where the better of the two does best on the training images. "
        f"At least one order trains in {learns.sum()} cells. In {same.sum()} of them the two differ by less than "
        f"{points}, and {(same & starred).sum()} of the {len(stars)} starred cells are among these."
    ]
    for name, ahead in (("Before", learns & (difference >= decides)), ("After", learns & (difference <= -decides))):
        columns = [f"{rate:g}" for rate, here in zip(rates, ahead.any(axis=0), strict=True) if here]
        if columns:
            listed = " and ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))
            cells = "1 cell" if ahead.sum() == 1 else f"{ahead.sum()} cells"
            sentences.append(f"{name} leads by {points} or more in {cells}, at learning rate {listed}.")
    return " ".join(sentences)


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
