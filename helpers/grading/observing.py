"""What an answer did with an input: its results as arrays, or a sentence about why there are none."""

import inspect
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from helpers.grading.describing import kind_of, sentence_start


class Remark(Exception):
    """A sentence for the learner. Raised while an answer is used, it replaces the error message; returned in the place
    of one result, it says what is wrong with that one, and the others still count."""


class Noted(NamedTuple):
    """Results with a remark that costs nothing."""

    outputs: Any
    note: str


@dataclass
class Seen:
    """What an answer did with one probe: its results, or the sentence about why there are none.

    missing: index of a result → the sentence about it, where some are there and this one is not.
    """

    outputs: tuple[np.ndarray, ...] | None = None
    problem: str = ""
    missing: dict[int, str] = field(default_factory=dict)
    note: str = ""
    attempted: bool = True
    changed: tuple[str, ...] = ()
    out_of_time: bool = False
    printed: str = ""
    warnings: tuple[str, ...] = ()


def read(value, names):
    """What an answer returned as arrays, one for each name: Seen, with a sentence where that can not be done."""
    if inspect.isgenerator(value) or inspect.iscoroutine(value) or inspect.isasyncgen(value):
        if hasattr(value, "close"):
            value.close()
        return Seen(problem="Your function returns a generator: use `return` where it says `yield` or `async`.")
    if value is None:
        return Seen(problem="Your function returned nothing (`None`). Does it end with `return`?")
    if value is ...:
        return Seen(attempted=False, problem="Your function still returns `...`.")
    if len(names) == 1:
        if isinstance(value, tuple) and len(value) > 1:
            return Seen(problem=f"Your function returns a tuple of {len(value)} things. Return {names[0]} alone.")
        values = (value,)
    elif isinstance(value, (tuple, list)) and len(value) == len(names):
        values = tuple(value)
    else:
        count = f"{len(value)} results" if isinstance(value, (tuple, list)) else kind_of(value)
        return Seen(
            problem=f"Expected {len(names)} results, {', '.join(f'`{name}`' for name in names)}; received {count}."
        )
    if all(one is ... for one in values):
        return Seen(attempted=False, problem="Your function still returns `...`.")
    arrays, missing = [], {}
    for index, (name, one) in enumerate(zip(names, values, strict=True)):
        try:
            arrays.append(_numbers_in(name, one))
        except Remark as remark:
            missing[index] = str(remark)
            arrays.append(np.empty(0))  # no result has this shape, so it agrees with none
    if len(missing) == len(names):
        return Seen(problem=missing[0])
    return Seen(outputs=tuple(arrays), missing=missing)


def _numbers_in(name, value):
    """One result as an array. Raises a Remark where it is none."""
    if isinstance(value, Remark):
        raise value
    if value is ... or value is None:
        raise Remark(f"{sentence_start(name)} is still `{'...' if value is ... else None}`: give it its value too.")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise Remark(f"{sentence_start(name)} is no array of numbers: its rows differ in length or kind.") from None
    if array.dtype.kind not in "biuf":
        wanted = "a number" if name.startswith("the number") else "an array of real numbers"
        raise Remark(f"{sentence_start(name)} should be {wanted}; received {kind_of(value)}.")
    return array.astype(np.float64)


def copied_arguments(args):
    return {
        name: value.copy() if isinstance(value, np.ndarray) else _copied_list(value) for name, value in args.items()
    }


def _copied_list(value):
    return [_copied_list(one) for one in value] if isinstance(value, list) else value


def unchanged(before, after):
    if isinstance(before, np.ndarray):
        return (
            before.shape == after.shape
            and before.dtype == after.dtype
            and np.array_equal(before, after, equal_nan=True)
        )
    return before == after if isinstance(before, (list, int, float)) else True
