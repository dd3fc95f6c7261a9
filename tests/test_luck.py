"""How often a rule says "supported" by luck, and that the simulation would notice a careless rule."""

import dataclasses

import numpy as np
import pytest

from helpers import claims
from helpers.claims import luck
from helpers.statistics import mean_interval


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_no_rule_says_supported_by_luck_in_more_than_one_case_of_twenty(name):
    assert claims.supported_by_luck(name, worlds=4000) < 0.05


def test_each_measure_is_answered_yes_by_luck_as_often_as_its_interval_says():
    random = np.random.default_rng(1)
    measure = claims.Measure("a difference", "points", above=0.05)
    chances = luck._answers_on_the_bound(measure, 20_000, random)
    assert chances[True] == pytest.approx(0.025, abs=0.004)
    assert chances[False] == pytest.approx(0.025, abs=0.004)
    assert sum(chances.values()) == pytest.approx(1)
    wide = luck._answers_on_the_bound(dataclasses.replace(measure, tries=4), 20_000, random)
    assert wide[True] == pytest.approx(0.025 / 4, abs=0.002)


def test_a_share_of_runs_is_simulated_as_a_count():
    measure = claims.Measure("runs that train", "%", above=0.5, counted=True)
    chances = luck._answers_on_the_bound(measure, 20_000, np.random.default_rng(2))
    assert chances[True] == pytest.approx(9 / 256, abs=0.005)  # 7 or 8 heads of 8: Wilson's interval lies above a half


def test_the_simulated_intervals_are_those_of_the_course():
    measure = claims.Measure("a difference", "points", above=0.0)
    values = np.random.default_rng(3).normal(0, 1, (500, 8))
    expected = [measure.answer(mean_interval(row, "points")) for row in values]
    chances = luck._answers_on_the_bound(measure, 500, np.random.default_rng(3))
    assert {answer: expected.count(answer) / 500 for answer in set(expected)} == chances


def test_a_careless_rule_is_noticed(monkeypatch):
    def any_of_four(**answers):
        """Supported: any one of the four."""
        return ("supported" if True in answers.values() else "not supported here"), ""

    claim = claims.CLAIMS["C5"]
    alone = {name: dataclasses.replace(measure, tries=1) for name, measure in claim.measures.items()}
    careless = dataclasses.replace(claim, decide=any_of_four, measures=dict(list(alone.items())[:2]))
    monkeypatch.setitem(luck.CLAIMS, "C5", careless)
    assert claims.supported_by_luck("C5", worlds=4000) == pytest.approx(1 - 0.975**2, abs=0.01)
