"""The drawings of networks: their words follow from what they were given."""

import numpy as np
import pytest

from helpers.plots import drawings_network
from helpers.plots.colors import COLORS
from helpers.plots.images import image_row


def words(plot):
    return [text.get_text() for axis in plot.figure.axes for text in axis.texts]


def test_rows_of_layers_are_drawn_and_said_in_order():
    rows = {"plain": ["Dense", "act.", "Dense"], "before": ["Dense", "BN", "act.", "Dense"]}
    plot = drawings_network.layer_rows(rows)
    assert plot.caption == "plain: Dense → act. → Dense; before: Dense → BN → act. → Dense."
    assert [word for word in words(plot) if word] == ["plain", *rows["plain"], "before", *rows["before"]]


def test_only_batch_normalization_is_blue():
    axis = drawings_network.layer_rows({"a": ["Dense 8", "BatchNorm", "ReLU", "BN"]}).figure.axes[0]
    boxes = {text.get_text(): text.get_bbox_patch() for text in axis.texts if text.get_bbox_patch() is not None}
    blue = [name for name, box in boxes.items() if matches(box.get_facecolor(), COLORS[0])]
    assert blue == ["BatchNorm", "BN"]


def matches(color, name):
    from matplotlib.colors import to_rgba

    return color == to_rgba(name)


def test_both_modes_use_statistics_and_only_training_updates_them():
    training, inference = drawings_network.two_modes().figure.axes
    said = [[text.get_text() for text in axis.texts] for axis in (training, inference)]
    assert ["update" in each for each in said] == [True, False]
    assert ["used" in each for each in said] == [True, True]


@pytest.mark.parametrize("bias", [3, -0.5])
def test_a_bias_is_gone_once_the_mean_is_subtracted(bias):
    values = np.random.default_rng(1).normal(size=9)
    plot = drawings_network.bias_drawing(values, bias)
    rows = [line.get_xdata() for line in plot.figure.axes[0].get_lines() if len(line.get_xdata()) == 9]
    np.testing.assert_allclose(rows[1], values + bias)
    np.testing.assert_allclose(rows[2], rows[3])
    assert not np.allclose(rows[0], rows[1])
    assert f"a bias of {bias:g} moves all 9 values" in plot.caption
    assert plot.caption.endswith("both rows hold the same values.")


@pytest.mark.parametrize("count", [3, 0])
def test_images_are_named_and_free_places_stay_empty(count):
    plot = image_row(np.zeros((count, 8, 8)), ["is 1\nsays 7"] * count, "Wrong answers", places=4)
    assert plot.caption == f"Wrong answers: {'; '.join(['is 1, says 7'] * count)}."
    assert [len(axis.images) for axis in plot.figure.axes] == [1] * count + [0] * (4 - count)
