"""The drawings of averages: their levels and their words follow from what they were given."""

import numpy as np
import pytest

from helpers.plots import drawings_averages

LEVELS = {"momentum 0.9": {1: 0.1, 9: 0.61}, "momentum 0.99": {1: 0.01, 9: 0.09}}


def test_each_glass_is_as_full_as_the_average_is_far():
    plot = drawings_averages.water_levels(LEVELS)
    filled = [abs(bar.get_height()) for bar in plot.figure.axes[0].patches]
    np.testing.assert_allclose(filled, [0.1, 0.61, 0.01, 0.09])
    assert plot.caption.endswith(
        "momentum 0.9: 10 % after step 1, 61 % after step 9; momentum 0.99: 1 % after step 1, 9 % after step 9."
    )


@pytest.mark.parametrize(("images", "count"), [(8, 4), (6, 2)])
def test_devices_take_a_mean_each_or_one_together(images, count):
    plot = drawings_averages.devices(images, count)
    apart, together = (
        [text.get_text() for text in axis.texts if "mean" in text.get_text()] for axis in plot.figure.axes
    )
    assert apart == [f"mean\nof {images // count}"] * count
    assert together == [f"mean of {images}"]
    assert f"its own {images // count} images" in plot.caption
