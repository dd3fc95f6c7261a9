"""The drawings of notebook 02: the columns of a batch, and the graph of the backward pass."""

import re

import numpy as np
import pytest

from helpers import batchnorm, plots
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


def computed(formula, **values):
    """What a formula of the drawing says, with these values for its symbols; a sum runs over the rows."""
    written = {r"d\hat x": "dx_hat", r"\hat x": "x_hat", r"d\gamma": "dgamma", r"\gamma": "gamma", r"d\mu": "dmu",
               r"\frac{1}{2} r^3 dr": "0.5 * r**3 * dr", "2 s": "2 * s", r"\cdot": "*", "$": ""}  # fmt: skip
    for sign, python in written.items():
        formula = formula.replace(sign, python)
    formula = re.sub(r"\\sum (.+)", r"total(\1)", formula.rpartition("=")[2])
    return eval(formula, {"total": lambda terms: terms.sum(axis=0), **values})


def test_the_gradients_on_the_arrows_lead_to_those_of_the_layer():
    rng, rows, epsilon = np.random.default_rng(4), 7, 1e-3
    x, dy = rng.normal(2, 3, (2, rows, 3))
    gamma, beta = rng.normal(size=(2, 3))
    s = x - x.mean(axis=0)
    r = 1 / np.sqrt(x.var(axis=0) + epsilon)
    known = {"N": rows, "s": s, "r": r, "x_hat": s * r, "gamma": gamma, "dy": dy}
    on = {(start, end): gradient.split("\n") for start, end, _, gradient, _ in EDGES}
    x_hat, y, shifted = r"$\hat x = s \cdot r$", r"$y = \gamma \hat x + \beta$", "$s = x - \\mu$"

    known["dx_hat"] = computed(*on[x_hat, y], **known)
    dbeta, dgamma = (computed(gradient, **known) for gradient in on[r"$\gamma, \beta$", y])
    known["dr"] = computed(*on["$r$", x_hat], **known)
    known["dv"] = computed(*on["$v$", "$r$"], **known)
    known["ds"] = computed(*on[shifted, x_hat], **known) + computed(*on[shifted, "$v$"], **known)
    known["dmu"] = computed(*on[r"$\mu$", shifted], **known)
    dx = computed(*on["$x$", shifted], **known) + computed(*on["$x$", r"$\mu$"], **known)

    reference = batchnorm.backward(dy, batchnorm.forward(x, gamma, beta, epsilon)[1])
    for own, of_layer in zip((dx, dgamma, dbeta), reference, strict=True):
        np.testing.assert_allclose(own, of_layer, atol=1e-12)
