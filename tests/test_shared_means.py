"""The picture of shared means is drawn from the means themselves."""

import numpy as np
import pytest

from helpers.plots.shared_means import groups_of, shared_means

SHAPE = (3, 2, 2, 4)


def over(*axes):
    return lambda x: x.mean(axis=axes, keepdims=True)


@pytest.mark.parametrize(
    ("axes", "count", "same", "other"),
    [
        ((0, 1, 2), 4, (2, 1, 1, 0), (0, 0, 0, 1)),
        ((1, 2, 3), 3, (0, 1, 1, 3), (1, 0, 0, 0)),
        ((1, 2), 12, (0, 1, 1, 0), (0, 0, 0, 1)),
        ((3,), 12, (0, 0, 0, 3), (0, 0, 1, 0)),
    ],
)
def test_numbers_are_in_one_group_exactly_where_they_share_a_mean(axes, count, same, other):
    groups = groups_of(over(*axes), SHAPE)
    assert groups.shape == SHAPE
    assert {*groups.ravel()} == {*range(count)}
    assert groups[0, 0, 0, 0] == 0 == groups[same]
    assert groups[other] != 0
    assert (np.bincount(groups.ravel()) == groups.size // count).all()


def test_the_caption_counts_the_means():
    plot = shared_means({"BatchNorm": over(0, 1, 2), "LayerNorm": over(1, 2, 3)}, SHAPE)
    assert "BatchNorm: 4 means, each of 12 numbers; LayerNorm: 3 means, each of 16 numbers" in plot.caption
    assert len(plot.figure.axes) == 2
