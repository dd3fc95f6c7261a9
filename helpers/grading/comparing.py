"""Whether results are equal to what is expected."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Probe:
    """One input for an answer. The arguments are copied for every call, because an answer may change them.

    name: the property that it tests, in words. outputs: the names of the results. tolerance: accepted difference,
    relative to the largest expected number, one for all results or one for each. call: how to use the answer, where it
    is not `answer(*args, **options)`. split: one (case name, weight) for each result, where each is a case of its own.
    say: (result's name, received, expected) → sentence, where numbers alone would not be understood.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("the result",)
    tolerance: float | tuple[float, ...] = 2e-4
    weight: float = 1.0
    call: Callable | None = None
    split: tuple[tuple[str, float], ...] = ()
    say: Callable | None = None

    @property
    def parts(self):
        """The cases: (name, weight, indices of the results that it looks at)."""
        if self.split:
            return [(name, weight, [index]) for index, (name, weight) in enumerate(self.split)]
        return [(self.name, self.weight, range(len(self.outputs)))]

    def agrees(self, received, expected, index):
        tolerance = self.tolerance[index] if isinstance(self.tolerance, tuple) else self.tolerance
        return agree(received[index], expected[index], tolerance)

    def all_agree(self, received, expected):
        return len(received) == len(expected) and all(
            self.agrees(received, expected, index) for index in range(len(expected))
        )


def agree(received, expected, tolerance):
    """Whether two results are equal up to `tolerance`, measured against the largest finite expected number."""
    if received.shape != expected.shape:
        return False
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(float(finite.max(initial=0.0)), 1e-2)
    with np.errstate(all="ignore"):
        return bool(np.allclose(received, expected, rtol=0, atol=tolerance * scale, equal_nan=True))


def all_agree(seen, expected, probes):
    return len(seen) == len(probes) and all(
        one.outputs is not None and probe.all_agree(one.outputs, right)
        for one, right, probe in zip(seen, expected, probes, strict=True)
    )
