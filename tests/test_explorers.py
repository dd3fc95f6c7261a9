"""The explorers, driven as a learner would: every control to its ends, reading the description and the picture."""

import base64
import re
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.explorers import DistributionExplorer, Explorer, MomentumExplorer, NormalizationExplorer

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


EXPLORERS = [NormalizationExplorer, MomentumExplorer, distributions]
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
