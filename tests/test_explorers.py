"""The explorers, driven as a learner would: every control to its ends, reading the description and the picture."""

import base64
import itertools
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import explorer_states
from helpers.explorers import DistributionExplorer, Explorer, MomentumExplorer, NormalizationExplorer, PlacementExplorer
from helpers.plots import accuracy_by_rate, hill, interval_rows, placement_map
from helpers.statistics import Interval
from tests.environments.published import ROOT

STEPS = (0, 50, 100)


def run_with(values):
    """What the explorer looks at in a `Runs`: values (probes, rows), one seed, two layers of three units."""
    values = np.repeat(np.asarray(values, dtype=np.float32)[None, :, :, None], 3, axis=3) * (1, 2, 0.5)
    probes = SimpleNamespace(at=STEPS)
    return SimpleNamespace(
        pre_activations={"activation_1": values, "activation_2": values + 1}, settings=SimpleNamespace(probes=probes)
    )


ROWS = np.random.default_rng(0).normal(size=40)


def distributions(without=(ROWS, ROWS + 2, ROWS - 1), with_batchnorm=(ROWS, ROWS, ROWS[::-1])):
    return DistributionExplorer({"without": run_with(without), "with": run_with(with_batchnorm)})


def made_up_sweep(shift=0.0):
    """Two activations, two depths, "both" with 2 layers and "some" with 4; accuracies of two seeds made by hand.

    shift: what the training accuracy at rate 0.1 has more than the test accuracy.
    """
    final = {"none": (0.5, 0.2), "before": (0.93, 0.95), "after": (0.97, 0.1), "both": (0.8, 0.91), "some": (0.6, 0.7)}
    points, runs = [], []
    for (place, accuracies), activation, depth in itertools.product(final.items(), ("relu", "tanh"), (2, 4)):
        if (place, depth) not in (("both", 4), ("some", 2)):
            for rate, accuracy in zip((1.0, 0.1), accuracies[::-1], strict=True):  # not in ascending order
                accuracy = accuracy - 0.04 * (activation == "relu") - 0.02 * (depth == 4)
                points.append({"activation": activation, "depth": depth, "normalization": place, "learning_rate": rate})
                of_seeds = np.array([[0.0, accuracy - 0.01], [0.0, accuracy + 0.01]])
                scores = SimpleNamespace(test_accuracy=of_seeds, train_accuracy=of_seeds + shift * (rate == 0.1))
                settings = SimpleNamespace(datasets=[SimpleNamespace(chance=0.1)])
                runs.append(SimpleNamespace(recomputed=scores, seeds=(0, 1), settings=settings))
    return SimpleNamespace(points=points, runs=runs)


def placements():
    return PlacementExplorer(made_up_sweep())


EXPLORERS = [NormalizationExplorer, MomentumExplorer, distributions, placements]
PNG = b"\x89PNG"


def extremes(control):
    """The values at the ends of a control, as a learner can reach them from where it stands."""
    if hasattr(control, "options"):
        ends = [control.options[0], control.options[-1]]
    elif hasattr(control, "base"):
        ends = [control.base**control.min, control.base**control.max]
    else:
        ends = [control.min, control.max]
    return [end for end in ends if end != control.value]


def numbers(pattern, text):
    return [float(number) for number in re.search(pattern, text).groups()]


@pytest.mark.parametrize("kind", EXPLORERS)
def test_every_control_reaches_its_ends_and_changes_words_and_picture(kind):
    for name in kind().controls:
        explorer = kind()
        seen = {explorer.plot.caption}
        for value in extremes(explorer.controls[name]):
            before = explorer._png
            explorer.controls[name].value = value
            # An epsilon far below the variance is rightly invisible in the picture.
            assert explorer._png != before or (name == "epsilon" and value < 1e-3), (name, value)
            assert explorer.plot.caption not in seen, (name, value)
            assert not re.search(r"nan|inf|-0\.00", explorer.plot.caption), (name, value)
            seen.add(explorer.plot.caption)


def test_all_ends_at_once_are_drawn():
    for end in (0, -1):
        explorer = NormalizationExplorer()
        for control in explorer.controls.values():
            control.value = extremes(control)[end]
        assert "nan" not in explorer.plot.caption
        assert base64.b64decode(explorer._png).startswith(PNG)


@pytest.mark.parametrize("kind", EXPLORERS)
def test_a_redraw_leaves_nothing_of_the_picture_before(kind):
    explorer = kind()
    first = explorer._png
    artists = [len(axis.get_children()) for axis in explorer.figure.axes]
    control = next(iter(explorer.controls.values()))
    start = control.value
    for value in (*extremes(control), start):
        control.value = value
    assert explorer._png == first
    assert [len(axis.get_children()) for axis in explorer.figure.axes] == artists


@pytest.mark.parametrize("kind", EXPLORERS)
def test_display_holds_the_widget_a_picture_and_the_words(kind):
    explorer = kind()
    data, metadata = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    assert base64.b64decode(data["image/png"]).startswith(PNG)
    assert data["text/plain"] == metadata["image/png"]["alt"] == explorer.plot.caption
    assert data["image/png"] in explorer._view.value
    assert explorer.plot.caption.split(".")[0] in explorer._view.value


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_site_gets_the_controls_in_their_order_and_the_rest_as_json(kind):
    explorer = kind()
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    stored = metadata["explorer"]
    assert (ROOT / "docs" / "static" / "explorers" / f"{stored['module']}.js").is_file()
    assert json.loads(json.dumps(stored["state"], allow_nan=False)) == stored["state"]
    controls = stored["state"]["controls"]
    assert [control["name"] for control in controls] == list(explorer.controls)
    for control, widget in zip(controls, explorer.controls.values(), strict=True):
        assert (control["label"], control["value"]) == (widget.description, widget.value)
        assert (
            len(control["options"]) == len(control["texts"])
            if "options" in control
            else control["min"] < control["max"]
        )


def test_the_choices_of_a_logarithmic_slider_are_those_it_reaches():
    (epsilon,) = [c for c in NormalizationExplorer().state()["controls"] if c["name"] == "epsilon"]
    assert epsilon["options"] == pytest.approx(np.logspace(-5, 1, 13))
    assert [epsilon["texts"][at] for at in (0, 4, -1)] == ["1e-05", "1e-03", "1e+01"]


def test_the_site_gets_some_units_of_a_wide_layer_and_all_of_a_narrow_one():
    def units(explorer):
        state = explorer.state()
        (unit,) = [control for control in state["controls"] if control["name"] == "unit"]
        return unit["max"], {len(layer) for arm in state["arms"] for layer in arm["layers"]}

    assert units(distributions()) == (2, {3})
    wide = run_with((ROWS, ROWS + 2, ROWS))
    wide.pre_activations = {name: np.repeat(values, 10, axis=3) for name, values in wide.pre_activations.items()}
    assert units(DistributionExplorer({"wide": wide})) == (9, {10})


def test_an_explorer_without_a_script_stays_a_picture_on_the_site():
    class Plain(MomentumExplorer):
        module = None

    assert list(Plain()._repr_mimebundle_()[1]) == ["image/png"]


def test_every_control_has_a_label():
    for kind in EXPLORERS:
        assert all(control.description for control in kind().controls.values())


def test_an_error_while_drawing_is_not_swallowed():
    class Unfinished(Explorer):
        pass

    with pytest.raises(NotImplementedError, match=r"Unfinished must define draw\(momentum, steps\)"):
        Unfinished(MomentumExplorer().controls, MomentumExplorer().figure)


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({}, 0.0, 1.0),
        ({"gamma": -2.5, "beta": 3.0}, 3.0, 2.5),
        ({"gamma": 0.0, "beta": -1.5}, -1.5, 0.0),
        ({"mean": -20.0, "spread": 5.0, "beta": 2.0}, 2.0, 1.0),
        ({"batch_size": 1, "beta": 2.0, "outlier": 60.0}, 2.0, 0.0),
        ({"spread": 0.0, "beta": 2.0}, 2.0, 0.0),
    ],
)
def test_output_has_mean_beta_and_spread_gamma(settings, mean, std):
    explorer = NormalizationExplorer()
    for name, value in settings.items():
        explorer.controls[name].value = value
    assert numbers(r"Output: mean (-?[\d.]+) .*?deviation ([\d.]+)", explorer.plot.caption) == pytest.approx(
        [mean, std], abs=0.011
    )


def test_special_cases_are_explained_and_ordinary_ones_are_not():
    cases = {
        "batch of one": {"batch_size": 1},
        "-1 and +1": {"batch_size": 2},
        "0/0": {"spread": 0.0},
        "mirrors": {"gamma": -1.0},
        "Epsilon": {"epsilon": 10.0},
        "ringed outlier": {"outlier": 40.0},
    }
    for words, settings in cases.items():
        explorer = NormalizationExplorer()
        assert words not in explorer.plot.caption
        for name, value in settings.items():
            explorer.controls[name].value = value
        assert words in explorer.plot.caption


def test_an_outlier_squeezes_the_others():
    explorer = NormalizationExplorer()
    spreads = []
    for outlier in (5.0, 20.0, 60.0):
        explorer.controls["outlier"].value = outlier
        spreads += numbers(r"others share a spread of (\d+\.\d+)", explorer.plot.caption)
    assert 1 > spreads[0] > spreads[1] > spreads[2] > 0


@pytest.mark.parametrize(("momentum", "steps"), [(0.99, 1), (0.99, 32), (0.99, 100), (0.9, 22), (0.999, 600)])
def test_moving_mean_covers_what_the_formula_says(momentum, steps):
    explorer = MomentumExplorer()
    explorer.controls["momentum"].value = momentum
    explorer.controls["steps"].value = steps
    covered, formula = numbers(r"Covered: ([\d.]+)%.* says ([\d.]+)%", explorer.plot.caption)
    assert formula == pytest.approx(100 * (1 - momentum**steps), abs=0.051)
    # The noise of batch means (3 / sqrt(32) around 5) leaves an average of k of them within a few per cent.
    assert covered == pytest.approx(formula, abs=4)


@pytest.mark.parametrize(("momentum", "batches"), [(0.9, 22), (0.95, 45), (0.99, 230), (0.999, 2302)])
def test_batches_needed_for_90_percent(momentum, batches):
    explorer = MomentumExplorer()
    explorer.controls["momentum"].value = momentum
    explorer.controls["steps"].value = 7
    assert f"To cover 90 % takes {batches} batches." in explorer.plot.caption
    assert 1 - momentum**batches >= 0.9 > 1 - momentum ** (batches - 1)


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_wobble_is_that_of_a_moving_mean_that_has_long_arrived(momentum):
    explorer = MomentumExplorer()
    explorer.controls["momentum"].value = momentum
    wobble, noise = numbers(r"it wobbles by ([\d.]+) .* batch mean by ([\d.]+)\)", explorer.plot.caption)
    batches = np.random.default_rng(0).normal(explorer.TRUTH, explorer.STD, size=(100_000, explorer.BATCH_SIZE))
    explorer._batch_means = batches.mean(axis=1)
    path = explorer.moving_mean(momentum)
    assert wobble == pytest.approx(path[3000:].std(), abs=0.006)  # two digits, and without the climb
    assert noise == pytest.approx(explorer._batch_means.std(), abs=0.006)


def test_lower_rows_share_one_scale_at_every_setting():
    for settings in ({}, {"gamma": 3.0, "beta": -5.0}, {"outlier": 60.0, "batch_size": 128}):
        explorer = NormalizationExplorer()
        for name, value in settings.items():
            explorer.controls[name].value = value
        _, normalised, output = [axis.get_xlim() for axis in explorer.figure.axes]
        assert normalised == output
        for axis in explorer.figure.axes:
            points = np.concatenate([line.get_xdata() for line in axis.lines])
            assert abs(points).max() < axis.get_xlim()[1]


def test_words_tell_the_sample_from_what_it_is_drawn_from():
    explorer = NormalizationExplorer()
    pattern = r"drawn with mean ([\d.]+) and spread ([\d.]+)\. .* itself has mean ([\d.]+), standard deviation ([\d.]+)"
    mean, spread, own_mean, own_std = numbers(pattern, explorer.plot.caption)
    assert (mean, spread) == (7.0, 2.5)
    assert 0 < abs(own_mean - mean) < 0.5
    assert 0 < abs(own_std - spread) < 0.5


def test_distribution_explorer_tells_a_move_from_a_change_of_places():
    explorer = distributions()
    explorer.controls["layer"].value, explorer.controls["unit"].value = 1, 1  # a unit with twice the values
    for step, expected in zip(STEPS, (0, 4, 2), strict=True):
        explorer.controls["step"].value = step
        drifts = [float(found) for found in re.findall(r"first step ([\d.]+)\.", explorer.plot.caption)]
        assert drifts == pytest.approx([expected, 0], abs=0.01)
    shares = [int(found) for found in re.findall(r"above (\d+)%", explorer.plot.caption)]
    assert shares == [round(100 * np.mean(values < values[0])) for values in (ROWS, ROWS[::-1])]


def test_distribution_explorer_draws_units_that_do_not_vary():
    constant = np.full((3, 40), 0.4)
    explorer = distributions(constant, np.add(constant, [[0], [1], [2]]))
    explorer.controls["layer"].value, explorer.controls["unit"].value, explorer.controls["step"].value = 1, 0, 100
    assert "from 0.40 to 0.40; drift since the first step 0.00" in explorer.plot.caption
    assert "from 2.40 to 2.40; drift since the first step 2.00" in explorer.plot.caption
    assert not re.search("nan|inf", explorer.plot.caption)


def test_placements_are_described_at_their_own_best_learning_rate():
    explorer = placements()
    explorer.controls["activation"].value, explorer.controls["depth"].value = "tanh", 2
    words = explorer.plot.caption
    assert "tanh, 2 hidden layers, means of 2 seeds" in words
    assert "before: 95.0 % at its best learning rate, 1; every seed passes 90 % at 2 of 2 rates" in words
    assert "after: 97.0 % at its best learning rate, 0.1; every seed passes 90 % at 1 of 2 rates" in words
    assert "both: 91.0 % at its best learning rate, 1; every seed passes 90 % at 0 of 2 rates" in words  # one seed 0.90


def test_a_place_that_was_not_run_is_named_in_the_picture_and_left_out_of_the_words():
    explorer = placements()
    for depth, missing in ((2, "some"), (4, "both")):
        explorer.controls["depth"].value = depth
        assert f"{missing}:" not in explorer.plot.caption
        assert [text.get_text() for text in explorer.figure.axes[0].texts].count("not run at this depth") == 1


@pytest.mark.parametrize(("missing", "column"), [(1.0, 0), (0.1, 1)])
def test_a_rate_that_was_not_run_leaves_its_column_empty(missing, column):
    whole = made_up_sweep()
    left_out = {"normalization": "none", "learning_rate": missing}
    kept = [(p, r) for p, r in zip(whole.points, whole.runs, strict=True) if not left_out.items() <= p.items()]
    explorer = PlacementExplorer(SimpleNamespace(points=[p for p, _ in kept], runs=[r for _, r in kept]))
    explorer.controls["activation"].value, explorer.controls["depth"].value = "tanh", 2
    (axis,) = explorer.figure.axes
    rows = {row: {} for row in range(4)}
    for text in axis.texts:
        x, y = text.get_position()
        rows.setdefault(int(y), {})[x] = text.get_text()
    assert rows[0] == {column + 0.5: f"★ {50 if column == 0 else 20}"}
    assert set(rows[1]) == {0.5, 1.5}
    colours = axis.collections[0].get_array().ravel()  # the first row's
    assert [bool(hidden) for hidden in np.ma.getmaskarray(np.ma.masked_invalid(colours))] == [column == 1, column == 0]
    assert f"none: {50 if column == 0 else 20}.0 % at its best learning rate, {0.1 if column == 0 else 1}" in (
        explorer.plot.caption
    )


def test_one_arm_has_an_explorer_too():
    explorer = DistributionExplorer({"alone": run_with((ROWS, ROWS + 2, ROWS))})
    assert len(explorer.figure.axes) == 1
    assert "alone: middle" in explorer.plot.caption


def test_a_sweep_without_depth_is_refused():
    with pytest.raises(ValueError, match="must go over activation, depth"):
        PlacementExplorer(SimpleNamespace(points=[{"activation": "relu", "learning_rate": 0.1}], runs=[]))


def test_accuracies_come_in_the_order_of_the_learning_rates():
    point = {"activation": "tanh", "depth": 2, "normalization": "after"}
    rates, accuracies = accuracy_by_rate(made_up_sweep(), **point)
    assert rates.tolist() == [0.1, 1.0]
    assert accuracies == pytest.approx(np.array([[0.96, 0.98], [0.09, 0.11]]))
    assert len(accuracy_by_rate(made_up_sweep(), **{**point, "depth": 3})[0]) == 0


def cells(plot):
    return [text.get_text() for text in plot.figure.axes[0].texts]


def test_the_placement_map_says_who_is_ahead():
    plot = placement_map(made_up_sweep())
    # 4 points at 0.1 count as alike, 85 at 1 do not; the star is at the best accuracy of either order.
    assert cells(plot) == ["★ −4", "before +85"] * 4
    assert "At least one order trains in 8 cells. In 4 of them the two differ by less than 5 points" in plot.caption
    assert "and 4 of the 4 starred cells are among these." in plot.caption
    assert "Before leads by 5 points or more in 4 cells, at learning rate 1." in plot.caption
    assert "After leads" not in plot.caption


def test_a_learning_rate_is_chosen_on_the_training_images():
    assert cells(placement_map(made_up_sweep(shift=-0.5))) == ["−4", "★ before +85"] * 4
    explorer = PlacementExplorer(made_up_sweep(shift=-0.5))
    explorer.controls["activation"].value, explorer.controls["depth"].value = "tanh", 2
    assert "none: 20.0 % at its best learning rate, 1;" in explorer.plot.caption  # 50 % at 0.1


def test_the_placement_map_follows_its_margins():
    assert cells(placement_map(made_up_sweep(), decides=0.03))[0] == "★ after +4"
    caption = placement_map(made_up_sweep(), decides=0.03).caption
    assert "After leads by 3 points or more in 4 cells, at learning rate 0.1." in caption
    assert "★ neither trains" in cells(placement_map(made_up_sweep(), trained=0.96))


def test_interval_rows_list_every_interval_and_the_margin():
    intervals = {"one": Interval(0.01, -0.02, 0.04, 8, "points"), "two": Interval(0.5, 0.4, 0.6, 8, "points")}
    plot = interval_rows(intervals, margin=0.05)
    assert plot.caption == f"one: {intervals['one']}; two: {intervals['two']}. Shaded: less than 5 points either way."
    low, high = plot.figure.axes[0].get_xlim()
    assert low < -5
    assert high > 60
    assert "Shaded" not in interval_rows(intervals).caption


def test_the_heights_on_the_site_are_the_nearest_of_the_levels():
    values = np.random.default_rng(0).normal(size=200)
    heights = hill(values, explorer_states.POINTS)[1]
    letters = explorer_states.distribution(["text"], values, image=0.0).split(" ")[-1]
    on_site = np.array([ord(letter) - ord("A") for letter in letters]) / explorer_states.LEVELS
    assert len(letters) == explorer_states.POINTS
    assert abs(on_site - heights).max() <= 0.5 / explorer_states.LEVELS
