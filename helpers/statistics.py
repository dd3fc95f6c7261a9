"""Intervals for a handful of runs: means, paired differences and shares, each as one line of text, on SciPy."""

from dataclasses import dataclass, replace

import numpy as np

from helpers.environment import needed_for

CONFIDENCE = 0.95
UNITS = {"%": (100, " %"), "points": (100, " points"), "": (1, "")}  # of an `Interval`: factor and suffix as shown


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval [low, high]. count: how many runs (or pairs of runs) it stands on.

    unit: "%" shows shares from 0 to 1 as percent, "points" shows differences of shares as percentage points, ""
    shows plain numbers. `str` is one line such as `97.7 % ± 0.4 (8 seeds)`.
    """

    mean: float
    low: float
    high: float
    count: int
    unit: str = "%"

    def __str__(self):
        scale, suffix = UNITS[self.unit]
        sign = "+" if self.unit == "points" else ""
        mean, low, high = (scale * number for number in (self.mean, self.low, self.high))
        seeds = f"({self.count} seed{'s' if self.count != 1 else ''})"
        digits = (lambda x: f"{x:.1f}") if suffix else (lambda x: f"{x:.3g}")
        if np.isclose(high - mean, mean - low, rtol=1e-3, atol=1e-9):
            return f"{format_signed(mean, digits, sign)}{suffix} ± {digits(high - mean)} {seeds}"
        return f"{format_signed(mean, digits, sign)}{suffix} [{digits(low)}, {digits(high)}] {seeds}"


def format_signed(number, digits, sign):
    """The number as text, with the sign in front where it is positive and one is wanted."""
    return (sign if number > 0 else "") + digits(number)


def mean_interval(values, unit="%"):
    """The mean of one value per seed with its 95 % interval (Student's t, which is honest for few seeds).

    values: (seeds,), at least two finite numbers. Raises ValueError otherwise.
    """
    with needed_for("An interval"):
        from scipy import stats

    values = _finite(values)
    mean, error = values.mean(), stats.sem(values)
    # All seeds alike: the interval is the point itself, which SciPy would call nan.
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, mean, error) if error > 0 else (mean, mean)
    return Interval(float(mean), float(low), float(high), len(values), unit)


def paired_difference(first, second, unit="points"):
    """first - second, seed by seed, as a mean with its 95 % interval: what the pairs agree on, without their spread.

    first, second: (seeds,), in the same order of seeds. Raises ValueError where their lengths differ.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"Pairs need as many values on both sides, received {first.shape} and {second.shape}.")
    return mean_interval(first - second, unit)


def share_interval(happened):
    """The share of seeds for which something happened, with Wilson's 95 % interval.

    happened: (seeds,) of True and False, such as `runs.moving.test_accuracy[:, -1] > 0.9`. Raises ValueError for
    anything else.
    """
    with needed_for("An interval"):
        from scipy import stats

    happened = np.asarray(happened)
    if happened.ndim != 1 or len(happened) < 1 or happened.dtype != bool:
        raise ValueError(
            f"A share needs one True or False per seed, received an array of shape {happened.shape} and type "
            f"{happened.dtype}."
        )
    test = stats.binomtest(int(happened.sum()), len(happened))
    interval = test.proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(happened.mean()), interval.low, interval.high, len(happened))


def widened(interval, tries):
    """The interval of a mean, so wide that `tries` such intervals all hold together in 95 % of cases (Bonferroni).

    interval: as `mean_interval` or `paired_difference` returns it.
    """
    if tries == 1:
        return interval
    with needed_for("An interval"):
        from scipy import stats

    one, all_of_them = (stats.t.ppf(1 - (1 - CONFIDENCE) / (2 * number), interval.count - 1) for number in (1, tries))
    low, high = (interval.mean + (end - interval.mean) * all_of_them / one for end in (interval.low, interval.high))
    return replace(interval, low=float(low), high=float(high))


def share_of_reachable(accuracy, *, chance, best):
    """How far accuracies have come from chance to the best that was reached: 0 at `chance`, 1 at `best`.

    accuracy: shares from 0 to 1, of any shape. chance: the accuracy of guessing, as `Dataset.chance`. best: the highest
    mean accuracy of all arms that are compared. Where even the best arm has come less than a tenth of the way from
    chance to 1, nothing was learned that others could be measured by, and every share is 0.
    """
    accuracy = np.asarray(accuracy, dtype=np.float64)
    if best - chance < 0.1 * (1 - chance):
        return np.zeros_like(accuracy)
    return (accuracy - chance) / (best - chance)


def _finite(values):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"An interval needs one value for each of at least 2 seeds, received shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} values are not finite (a diverged run?); "
            "use accuracies, or leave those seeds out and say so."
        )
    return values
