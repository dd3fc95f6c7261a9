"""Intervals against values worked out from the textbook's formula, and against simulation."""

import numpy as np
import pytest

from helpers.statistics import mean_interval, paired_difference, share_interval, share_of_reachable, widened


def test_mean_uses_students_t():
    interval = mean_interval([1.0, 2.0, 3.0, 4.0])
    half = 3.182446 * np.std([1, 2, 3, 4], ddof=1) / 2  # t(0.975, 3 degrees of freedom) from a table
    assert interval.mean == 2.5
    assert interval.high - interval.mean == pytest.approx(half, rel=1e-6)
    assert interval.mean - interval.low == pytest.approx(half, rel=1e-6)
    assert half > 1.959964 * np.std([1, 2, 3, 4], ddof=1) / 2  # the normal distribution would promise too much


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    samples = rng.normal(0.3, 2.0, (2000, 5))
    covered = [(interval := mean_interval(sample)).low < 0.3 < interval.high for sample in samples]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_pairs_remove_what_both_share():
    rng = np.random.default_rng(1)
    shared = rng.normal(0.9, 0.05, 8)
    difference = paired_difference(shared + 0.01 + rng.normal(0, 1e-3, 8), shared)
    assert 0.008 < difference.low < 0.01 < difference.high < 0.012
    assert not 0 < mean_interval(shared).high - mean_interval(shared).low < difference.high - difference.low


def test_all_seeds_alike_is_a_point():
    interval = mean_interval([0.5, 0.5, 0.5])
    assert (interval.low, interval.mean, interval.high) == (0.5, 0.5, 0.5)


def test_share_of_few_seeds_is_honest_at_the_edges():
    everyone = share_interval([True] * 8)
    assert everyone.mean == everyone.high == 1
    assert 0.6 < everyone.low < 0.7  # eight of eight does not prove "always"
    nobody = share_interval([False] * 8)
    assert nobody.low == nobody.mean == 0
    assert nobody.high == pytest.approx(1 - everyone.low)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (mean_interval([0.97, 0.98, 0.976, 0.985]), "97.8 % ± 1.0 (4 seeds)"),
        (paired_difference([0.5, 0.6, 0.7], [0.4, 0.4, 0.4]), "+20.0 points ± 24.8 (3 seeds)"),
        (paired_difference([0.4, 0.4, 0.4], [0.5, 0.6, 0.7]), "-20.0 points ± 24.8 (3 seeds)"),
        (mean_interval([1.0, 2.0, 3.0], unit=""), "2 ± 2.48 (3 seeds)"),
        (share_interval([True, True, False, True]), "75.0 % [30.1, 95.4] (4 seeds)"),
        (share_interval([True]), "100.0 % [20.7, 100.0] (1 seed)"),
    ],
)
def test_one_line_of_text(interval, text):
    assert str(interval) == text


@pytest.mark.parametrize("values", [[], [1.0], [[1.0, 2.0]], [1.0, np.nan], [1.0, np.inf]])
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(ValueError, match=r"received shape|not finite"):
        mean_interval(values)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        paired_difference([1, 2, 3], [1, 2])


@pytest.mark.parametrize("values", [[], [[True]], [0.93, 0.2, 0.1], [1, 0, 1], ["yes"], [None, True]])
def test_a_share_needs_seeds(values):
    with pytest.raises(ValueError, match="one True or False per seed"):
        share_interval(values)


def test_a_pair_is_a_seed():
    first, second = [0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]
    assert paired_difference(first, second) == mean_interval(np.subtract(first, second), "points")
    assert paired_difference(first, second).high > 0.2  # not sorted: the pairs disagree widely


def test_widened_intervals_hold_together():
    values = np.random.default_rng(0).normal(size=(400, 4, 8))
    hit = [all(one.low < 0 < one.high for one in (widened(mean_interval(row), 4) for row in four)) for four in values]
    alone = [all(one.low < 0 < one.high for one in map(mean_interval, four)) for four in values]
    assert np.mean(hit) > 0.93
    assert np.mean(alone) < 0.87  # 0.95 ** 4 = 0.81
    interval = mean_interval(values[0, 0])
    assert widened(interval, 1) == interval
    assert widened(interval, 4).mean == interval.mean
    ratio = (widened(interval, 4).high - interval.mean) / (interval.high - interval.mean)
    assert ratio == pytest.approx(3.335 / 2.365, rel=1e-3)  # Student's t with 7 degrees of freedom, from a table


def test_the_share_of_what_can_be_reached():
    shares = share_of_reachable([0.1, 0.5, 0.9, 0.05], chance=0.1, best=0.9)
    np.testing.assert_allclose(shares, [0, 0.5, 1, -0.0625])
    assert share_of_reachable(np.full((2, 3), 0.9), chance=0.1, best=0.9).shape == (2, 3)


def test_where_nobody_learns_nobody_reaches_anything():
    assert share_of_reachable([0.1, 0.15, 0.18], chance=0.1, best=0.18).tolist() == [0, 0, 0]
    assert share_of_reachable([0.1, 0.2], chance=0.1, best=0.2)[1] == 1
