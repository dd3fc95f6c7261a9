"""Numbers, inputs and differences in words."""

import builtins

import numpy as np

from helpers.grading.sandbox import quote


def numbers(values, at=0):
    """Up to four numbers as text, the one at index `at` among them."""
    values = np.asarray(values, dtype=np.float64).ravel()
    first = max(0, min(at - 1, values.size - 4)) if at >= 4 else 0
    with np.errstate(all="ignore"):
        digits = 4 if np.abs(np.nan_to_num(values)).max(initial=0) < 1000 else 6
    shown = ", ".join("0" if abs(value) < 1e-12 else f"{value:.{digits}g}" for value in values[first : first + 4])
    if values.size == 1:
        return shown
    return f"[{'…, ' if first else ''}{shown}{', …' if first + 4 < values.size else ''}]"


def input_in_words(probe):
    """The input in a few words: shapes of large arguments, numbers of small ones."""
    parts = []
    for name, value in {**probe.args, **probe.options}.items():
        if isinstance(value, np.ndarray) and value.ndim > 1:
            parts.append(f"`{name}` of shape `{value.shape}`")
        elif isinstance(value, (np.ndarray, int, float)):
            parts.append(f"`{name} = {numbers(value)}`")
    return f"With {', '.join(parts)}" if parts else "In this case"


def clue_of_difference(received, expected):
    """What the whole difference looks like, where it is simple."""
    if not np.isfinite(received).all():
        return " `nan` and `inf` come from a division by zero or from the root of a negative number."
    large = np.abs(expected) > 1e-6 * np.abs(expected).max(initial=0)
    if not large.any():
        return ""
    ratio = received[large] / expected[large]
    if large.sum() > 1 and np.allclose(ratio, ratio[0], rtol=1e-3) and abs(ratio[0]) > 1e-6:
        if f"{ratio[0]:.3g}" == "1":
            return ""  # true to three digits, and no help
        return (
            " Every number has the wrong sign."
            if np.isclose(ratio[0], -1, rtol=1e-3)
            else (f" Every number is {ratio[0]:.3g} times what it should be.")
        )
    difference = received - expected
    if expected.size > 1 and np.allclose(difference, difference.flat[0], rtol=1e-3):
        return f" Every number is off by the same {difference.flat[0]:.3g}."
    return ""


def sentence_start(name):
    return name[:1].upper() + name[1:] if name.startswith("the ") else f"`{name}`"


def kind_of(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape `{value.shape}`"
    return f"a {quote(type(value).__name__, 40)}"


def shadowed_name_hint(answer):
    """A hint where a name that the learner gave away explains an error."""
    names = getattr(answer, "__globals__", None)
    if not isinstance(names, dict):
        method = getattr(answer, "__init__", None) if isinstance(answer, type) else None
        names = getattr(method, "__globals__", {})
    if "np" in names and getattr(names["np"], "__name__", "") != "numpy":
        return " In your notebook `np` is no longer NumPy: rename your variable and run `import numpy as np` again."
    lost = [
        name
        for name in ("sum", "len", "max", "min", "range", "list", "float", "int", "abs", "round", "type", "zip")
        if name in names and names[name] is not getattr(builtins, name)
    ]
    if lost:
        return f" In your notebook `{lost[0]}` is no longer Python's own: rename your variable and restart the kernel."
    return ""


def side_notes(seen, cases):
    """What was printed; and, where something failed, what Python or NumPy warned of."""
    notes = list(dict.fromkeys(one.note for one in seen if one.note))
    printed = next((one.printed for one in seen if one.printed), "")
    if printed:
        notes.append(f"Your code printed {quote(printed)}.")
    warned = next((one.warnings[0] for one in seen if one.warnings), "")
    if warned and not all(case.passed for case in cases):
        notes.append(f"While it ran, there was a warning: {quote(warned)}.")
    return notes
