"""How often a rule says "supported" by luck: simulated worlds in which the claim is only just not true.

A verdict asks several questions at once, each by a 95 % interval. In the simulation the true value of one or two of
them lies exactly on its bound, where the right answer is "no" and a wrong "yes" is likeliest; all others are clearly
there.
"""

import itertools
import math

import numpy as np

from helpers.claims.claim import SUPPORTED
from helpers.claims.lesson import CLAIMS
from helpers.claims.verdicts import MIN_SEEDS
from helpers.statistics import CONFIDENCE, Interval, share_interval


def supported_by_luck(claim, *, worlds=2000, seed=0):
    """The share of simulated worlds in which the rule of a claim, such as "C3", says "supported" though it is not so.

    worlds: how many are simulated for each set of one or two measures whose true value lies on the bound; of all sets
    after which the rule should not say "supported", the worst counts. Seeds are taken as normally distributed and
    measures as independent. Returns a share from 0 to 1.
    """
    claim, random = CLAIMS[claim], np.random.default_rng(seed)
    answers = {name: _answers_on_the_bound(measure, worlds, random) for name, measure in claim.measures.items()}
    there = dict.fromkeys(claim.measures, True)
    shares = [0.0]
    for names in itertools.chain.from_iterable(itertools.combinations(claim.measures, count) for count in (1, 2)):
        if claim.decide(**there | dict.fromkeys(names, False))[0] == SUPPORTED:
            continue
        drawn = zip(*(answers[name] for name in names), strict=True)
        words = [claim.decide(**there | dict(zip(names, each, strict=True)))[0] for each in drawn]
        shares.append(words.count(SUPPORTED) / worlds)
    return max(shares)


def _answers_on_the_bound(measure, worlds, random):
    """The measure's answers, True, False or None, in worlds in which its true value is the bound."""
    from scipy import stats

    bound = measure.above if math.isfinite(measure.above) else measure.below
    if measure.counted:
        by_count = [measure.answer(share_interval(np.arange(MIN_SEEDS) < count)) for count in range(MIN_SEEDS + 1)]
        return [by_count[count] for count in random.binomial(MIN_SEEDS, bound, worlds)]
    values = random.normal(bound, 1, (worlds, MIN_SEEDS))
    means = values.mean(axis=1)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, MIN_SEEDS - 1) * stats.sem(values, axis=1)
    return [
        measure.answer(Interval(mean, mean - width, mean + width, MIN_SEEDS, measure.unit))
        for mean, width in zip(means, half, strict=True)
    ]
