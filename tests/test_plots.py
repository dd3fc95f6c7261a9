"""The figures: captions computed from the data, never colour alone, and shown with their words."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import plots
from helpers.training import Runs, Scores, Settings, Sweep


def made_up_runs(final, seeds=4):
    """Runs whose test accuracy climbs in a straight line to `final`, with the recomputed one 1 point higher."""
    rng = np.random.default_rng(0)
    accuracy = np.linspace(0.1, final, 5) + rng.normal(0, 0.005, (seeds, 5))
    scores = Scores(*[accuracy] * 4)
    settings = Settings(None, SimpleNamespace(chance=0.1), tuple(range(seeds)), 500, 10, None, 100, None, None)
    losses = np.zeros((seeds, 500))
    moved = replace(scores, test_accuracy=accuracy + 0.01)
    return Runs(settings, losses, np.arange(100, 501, 100), scores, moved, {}, {}, 1.0, False, [])


def lines_of(axis):
    return [line for line in axis.get_lines() if not str(line.get_label()).startswith("_")]


def test_learning_curves_say_what_they_show():
    arms = {"with": made_up_runs(0.95), "without": made_up_runs(0.5)}
    plot = plots.learning_curves(arms)
    for name, runs in arms.items():
        at_the_end = 100 * runs.moving.test_accuracy[:, -1].mean()
        assert f"{name}: 10 % after 100 steps, {at_the_end:.1f} % at the end" in plot.caption
    assert "4 seeds" in plot.caption
    assert plot.caption != plots.learning_curves({"with": made_up_runs(0.8)}).caption
    (axis,) = plot.figure.axes
    assert axis.get_xlabel()
    assert "%" in axis.get_ylabel()


def test_curves_use_the_statistics_asked_for():
    arms = {"a": made_up_runs(0.5)}
    moving, recomputed = (
        lines_of(plots.learning_curves(arms, statistics=kind).figure.axes[0])[0].get_ydata()
        for kind in ("moving", "recomputed")
    )
    np.testing.assert_allclose(recomputed - moving, 1.0)


def test_arms_differ_in_more_than_colour():
    plot = plots.learning_curves({name: made_up_runs(0.5 + i / 10) for i, name in enumerate("abcd")})
    lines = lines_of(plot.figure.axes[0])
    assert len({line.get_color() for line in lines}) == 4
    assert len({line.get_linestyle() for line in lines}) == 4
    assert len({line.get_marker() for line in lines}) == 4


def test_arms_beyond_the_palette_are_told_apart():
    plot = plots.learning_curves({str(i): made_up_runs(0.5 + i / 100) for i in range(16)})
    styles = [
        (line.get_color(), line.get_linestyle(), line.get_marker(), line.is_dashed())
        for line in lines_of(plot.figure.axes[0])
    ]
    assert len(set(styles)) == 16
    # No two arms share both line and colour, or both marker and colour.
    assert len({style[::2] for style in styles}) == 16
    for i, (color, marker) in enumerate(zip(plots.COLORS, plots.MARKERS, strict=True)):
        assert (plots.COLORS[i], plots.MARKERS[i]) == (color, marker)


@pytest.mark.parametrize(
    ("finals", "said"),
    [((0.95, 0.95, 0.2), "at 0.1 to 1 all"), ((0.2, 0.95, 0.2), "at 0.1 all"), ((0.3, 0.2, 0.2), "at no rate do all")],
)
def test_sweep_says_where_every_seed_trains(finals, said):
    rates = [1, 0.1, 10]  # in no order
    result = Sweep([{"learning_rate": rate} for rate in rates], [made_up_runs(final) for final in finals])
    best = Sweep([{"learning_rate": 1}], [made_up_runs(0.99)])
    plot = plots.learning_rate_sweep({"best": best, "arm": result})
    assert f"arm: {said} seeds pass 91 %" in plot.caption  # 0.1 + 0.9 * (1.0 - 0.1)
    assert "best: at 1 all seeds pass 91 %;" in plot.caption
    assert list(lines_of(plot.figure.axes[0])[1].get_xdata()) == [0.1, 1, 10]


def test_what_counts_as_trained_is_measured_by_the_best_arm():
    hard = {"arm": Sweep([{"learning_rate": 1}, {"learning_rate": 2}], [made_up_runs(0.6), made_up_runs(0.4)])}
    caption = plots.learning_rate_sweep(hard).caption  # nobody passes 90 %, and yet one rate is the one to take
    assert "arm: at 1 all seeds pass 56 %." in caption
    assert "The dotted line at 56 % is 90 % of the way from guessing to the best mean." in caption


def test_paired_arms_give_the_paired_difference():
    base = np.array([0.90, 0.80, 0.95, 0.70])
    plot = plots.paired_arms({"first": base, "second": base + 0.01 + np.array([0.001, -0.001, 0.002, -0.002])})
    assert "second − first: +1.0 points ± 0.3 (4 seeds)" in plot.caption


def test_a_plot_shows_picture_and_words(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    plot = plots.paired_arms({"a": [0.1, 0.2], "b": [0.3, 0.5]})
    plot._ipython_display_()
    picture, words = shown
    assert picture.data.startswith(b"\x89PNG")
    assert picture.alt == plot.caption
    assert words.data == f"*{plot.caption}*"


def test_new_figure_is_not_known_to_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.new_figure(2, 2)
    assert plt.get_fignums() == before


def test_lists_of_styles_fit_together():
    assert len(plots.COLORS) == len(plots.LINESTYLES) == len(plots.MARKERS) == len(set(plots.COLORS))


def test_a_sweep_is_drawn_with_the_statistics_asked_for():
    arms = {"arm": Sweep([{"learning_rate": 0.1}, {"learning_rate": 1}], [made_up_runs(0.92), made_up_runs(0.2)])}
    figures = [plots.learning_rate_sweep(arms, statistics=kind).figure for kind in ("moving", "recomputed")]
    moving, recomputed = (figure.axes[0].get_lines()[0].get_ydata() for figure in figures)
    np.testing.assert_allclose(recomputed - moving, 1.0)


def test_learning_curves_are_of_accuracies():
    with pytest.raises(ValueError, match="received 'test_loss'"):
        plots.learning_curves({"a": made_up_runs(0.9)}, "test_loss")


def test_the_picture_has_its_full_size_and_few_bytes():
    import io

    from PIL import Image

    figure, axis = plots.new_figure(width=5.0, height=3.0)
    axis.fill_between([0, 1], [0, 1], [1, 2], color=plots.COLORS[0], alpha=0.2)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=plots.DPI)
    png = plots.Plot(figure, "A band.").png()
    assert Image.open(io.BytesIO(png)).size == (500, 300)
    assert len(png) < 0.6 * len(drawn.getvalue())
