"""How often a rule says "supported" by luck: simulated worlds in which the claim is only just not true.

A verdict asks several questions at once, each by a 95 % interval. In the simulation the true value of some of them lies
exactly on its bound, where the right answer is "no" and a wrong "yes" is likeliest; the others are clearly there or
clearly not.
"""

import itertools
import math
from collections import Counter

import numpy as np

from helpers.claims.claim import SUPPORTED
from helpers.claims.lesson import CLAIMS
from helpers.claims.verdicts import MIN_SEEDS
from helpers.statistics import CONFIDENCE, Interval, share_interval

ON_THE_BOUND = "on the bound"


def supported_by_luck(claim, *, worlds=2000, seed=0):
    """How often the rule of a claim, such as "C3", says "supported" where it should not: a share from 0 to 1.

    Each measure is clearly there, clearly not, or exactly on its bound; of all these combinations after which the rule
    should not say "supported", the worst counts. worlds: how many are drawn for a measure on its bound, of 8 normally
    distributed seeds each. Measures are taken as independent.
    """
    claim, random = CLAIMS[claim], np.random.default_rng(seed)
    chances = {name: _answers_on_the_bound(measure, worlds, random) for name, measure in claim.measures.items()}
    worst = 0.0
    for states in itertools.product((True, False, ON_THE_BOUND), repeat=len(chances)):
        truth = {name: state is True for name, state in zip(chances, states, strict=True)}
        if claim.decide(**truth)[0] != SUPPORTED:
            worst = max(worst, _chance_of_supported(claim, dict(zip(chances, states, strict=True)), chances))
    return worst


def _chance_of_supported(claim, states, chances):
    """How likely the rule says "supported" where the measures are in these states."""
    possible = [chances[name].items() if state == ON_THE_BOUND else [(state, 1.0)] for name, state in states.items()]
    return sum(
        math.prod(chance for _, chance in each)
        for each in itertools.product(*possible)
        if claim.decide(**{name: answer for name, (answer, _) in zip(states, each, strict=True)})[0] == SUPPORTED
    )


def _answers_on_the_bound(measure, worlds, random):
    """{True, False or None: how often} of a measure whose true value is its bound."""
    from scipy import stats

    bound = measure.above if math.isfinite(measure.above) else measure.below
    if measure.counted:
        by_count = [measure.answer(share_interval(np.arange(MIN_SEEDS) < count)) for count in range(MIN_SEEDS + 1)]
        answers = [by_count[count] for count in random.binomial(MIN_SEEDS, bound, worlds)]
    else:
        values = random.normal(bound, 1, (worlds, MIN_SEEDS))
        means = values.mean(axis=1)
        half = stats.t.ppf((1 + CONFIDENCE) / 2, MIN_SEEDS - 1) * stats.sem(values, axis=1)
        answers = [
            measure.answer(Interval(mean, mean - width, mean + width, MIN_SEEDS, measure.unit))
            for mean, width in zip(means, half, strict=True)
        ]
    return {answer: count / worlds for answer, count in Counter(answers).items()}
