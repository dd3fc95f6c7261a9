"""The drawings of notebook 02: the columns of a batch, and the graph of the backward pass."""

import numpy as np
import pytest

from helpers import plots
from helpers.plots.drawings_layer import EDGES, PLACES


@pytest.mark.parametrize("step", range(5))
def test_the_graph_shows_the_gradients_found_so_far_and_no_others(step):
    plot = plots.backward_graph(step)
    shown = {text.get_text() for text in plot.figure.axes[0].texts}
    for _, _, found_in, gradient, _ in EDGES:
        assert (gradient in shown) == (found_in <= step)
    assert not {"$", "\\"} & set(plot.caption), "a screen reader would spell it"
    assert ("not found yet" in plot.caption) == (0 < step < 4)


def test_every_arrow_joins_two_boxes_and_every_box_has_an_arrow():
    ends = [end for edge in EDGES for end in edge[:2]]
    assert set(ends) == set(PLACES)
    assert sum(end == r"$\hat x = s \cdot r$" for _, end, *_ in EDGES) == 2, "a product has two factors"
    assert sum(start == "$x$" for start, *_ in EDGES) == 2, "x goes to the mean and to the difference"


@pytest.mark.parametrize("step", [-1, 5, "1", None])
def test_another_step_is_an_error_that_names_it(step):
    with pytest.raises(ValueError, match=f"received {step!r}"):
        plots.backward_graph(step)


def test_the_caption_of_the_strips_says_the_means_and_deviations():
    x = np.array([[0.0, 10.0], [2.0, 30.0]])
    caption = plots.feature_strips({"raw": x, "centred": x - x.mean(axis=0)}).caption
    assert "“raw”: means from 1.0 to 20.0, standard deviations from 1.0 to 10.0" in caption
    assert "“centred”: means 0.0, standard deviations from 1.0 to 10.0" in caption


def test_the_strips_have_one_panel_a_stage_and_a_bar_a_column():
    plot = plots.feature_strips({"a": np.zeros((4, 3)), "b": np.ones((4, 3))}, note="A note.")
    assert [axis.get_title() for axis in plot.figure.axes] == ["a", "b"]
    assert all(len(axis.get_xticks()) == 3 for axis in plot.figure.axes)
    assert plot.caption.endswith("A note.")
