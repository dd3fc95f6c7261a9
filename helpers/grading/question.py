"""What every question shares: it observes an answer on probe inputs and says in words what it found."""

import builtins
import inspect
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from helpers.grading import sandbox
from helpers.grading.results import Case, Result
from helpers.grading.sandbox import quote


class Misconception(NamedTuple):
    """A wrong implementation and what to tell the learner who wrote it.

    wild: probes on which it gives rounding noise, so that there the numbers only have to be wrong, not equal.
    """

    sentence: str
    wrong: Callable
    wild: tuple[str, ...] = ()


class Variant(NamedTuple):
    """Another implementation that gets full points, with a remark."""

    note: str
    right: Callable


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


STILL_OPEN = (
    "Your answer still returns `...`. If you have written code: is the variable after `return` the one that you filled?"
)


class Question:
    """One exercise. The attributes are its metadata; `judge` looks at an answer and returns (cases, notes) or None.

    id: as given to `check`. points: what it is worth, in this one place. section: of the lesson.
    notebook, heading: where to read again.
    hints: two, the second says more. try_first: what `solution` says before it shows `answer_source()`.
    before_answer: the line above that.
    """

    id = ""
    title = ""
    points = 4
    section = ""
    notebook = ""
    heading = ""
    hints: tuple[str, str] = ("", "")
    try_first = ""
    before_answer = "One right answer:"

    def check(self, answer):
        """The Result for an answer. Raises nothing for what a learner wrote, only the user's own interrupt."""
        found = None if answer is None or answer is ... else self.judge(answer)
        if found is None:
            notes = () if answer is None or answer is ... else (STILL_OPEN,)
            return Result(self.id, self.title, self.points, notes=notes, attempted=False)
        cases, notes = found
        return Result(self.id, self.title, self.points, tuple(cases), tuple(notes))

    def judge(self, answer):
        raise NotImplementedError

    def answer_source(self):
        """The solution as text."""
        raise NotImplementedError


class Choice(NamedTuple):
    """One option of a question in words. answer, reason: whether each of the two halves is right."""

    text: str
    answer: bool
    reason: bool
    because: str


class ChoiceQuestion(Question):
    """A question in words. `options`: letter → Choice. The answer and the reason behind it count half each."""

    points = 2
    before_answer = "Full points go to:"
    options: ClassVar[dict[str, Choice]] = {}

    def judge(self, answer):
        letter = answer.strip().strip("()[].'\"").lower() if isinstance(answer, str) else None
        if letter not in self.options:
            letters = ", ".join(f"`{known}`" for known in self.options)
            said = sandbox.run(lambda: repr(answer))
            received = quote(said.value if said.error is None else type(answer).__name__, 60)
            return [
                Case("one of the letters", False, f"Answer with one of the letters {letters}. Received: {received}.")
            ], []
        choice = self.options[letter]
        because = f"`{letter}`, “{choice.text}”: {choice.because}"
        if choice.answer and choice.reason:
            return [Case("the answer and its reason", True, because)], []
        if not choice.answer:
            return [Case("the answer and its reason", False, because)], []
        return [Case("the answer", True, ""), Case("the reason", False, because)], []

    def answer_source(self):
        letters = [letter for letter, choice in self.options.items() if choice.answer and choice.reason]
        return "\n".join(
            f'# "{letter}": {self.options[letter].text}\n'
            + textwrap.fill(self.options[letter].because, 88, initial_indent="#   ", subsequent_indent="#   ")
            for letter in letters
        )


class CodeQuestion(Question):
    """A question whose answer is code, judged by what it does on probe inputs.

    reference: a right answer. misconceptions: wrong ones, each told from all others by the probes.
    accepted: other right ones. changes: what to say to an answer that changes its arguments ("" = it may).
    wanted: how it is called, for messages. explains: (part of an error message, what to say behind it).
    may_be_list: whether x may also come as a plain list. limit_memory, seconds: the limits of one call.
    """

    wanted = ""
    changes = ""
    may_be_list = False
    limit_memory = True
    seconds = None
    misconceptions: tuple[Misconception, ...] = ()
    accepted: tuple[Variant, ...] = ()
    explains: tuple[tuple[str, str], ...] = ()

    def __init__(self):
        self.hidden: list[Probe] = []  # an instructor's own, added by an overlay
        self._known = {}

    def reference(self, *args, **options):
        raise NotImplementedError

    def probes(self, answer):
        """The inputs, from the easiest on. They may depend on what the answer is (a model's input size)."""
        raise NotImplementedError

    def property_broken(self, name, received, expected):
        """A sentence on the first property of a right column that this one lacks, or ''. name: of the result."""
        return ""

    def answer_source(self):
        lines = textwrap.dedent(inspect.getsource(self.reference)).splitlines()
        shown = "\n".join(line for line in lines if line.strip() not in ("@staticmethod", "@property"))
        return shown.replace("def reference(", f"def {self.id}(", 1)  # under the name that the exercise asks for

    # What one answer does -------------------------------------------------------------------------------------------

    def observe(self, answer, probe):
        """Run a learner's answer on a probe, guarded. Returns what was Seen."""
        before = _copies(probe.args)
        given = _copies(probe.args)
        outcome = sandbox.run(
            lambda: self._use(answer, probe, given), seconds=self.seconds, limit_memory=self.limit_memory
        )
        if outcome.error is not None:
            # nbgrader's own stub raises this one.
            unanswered = outcome.error.startswith("Your code stopped with `NotImplementedError`")
            said = next((f" {sentence}" for part, sentence in self.explains if part in outcome.error), "")
            seen = Seen(problem=outcome.error + said + _shadowed(answer), attempted=not unanswered)
            seen.out_of_time = outcome.out_of_time
        else:
            seen = outcome.value
        seen.changed = tuple(name for name in given if not _same(before[name], given[name]))
        seen.printed, seen.warnings = outcome.printed, tuple(outcome.warnings)
        return seen

    def _use(self, answer, probe, given):
        call = probe.call or (lambda answer, given: answer(*given.values(), **probe.options))
        try:
            value = call(answer, given)
        except Remark as remark:
            return Seen(problem=str(remark))
        value, note = value if isinstance(value, Noted) else (value, "")
        seen = read(value, probe.outputs)
        seen.note = note
        return seen

    def outputs_of(self, function, probe):
        """The results of one of our own implementations; None where it is undefined. Computed once."""
        key = function, probe.name, tuple(str(np.shape(value)) for value in probe.args.values())
        if key not in self._known:
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._known[key] = self._use(function, probe, _copies(probe.args)).outputs
            except Exception:
                self._known[key] = None
        return self._known[key]

    # The verdict ----------------------------------------------------------------------------------------------------

    def judge(self, answer):
        if not callable(answer):
            return self._nothing(f"Expected {self.wanted}, received {_kind(answer)}.")
        sandbox.import_for(answer)
        probes = [*self.probes(answer), *self.hidden]
        expected = [self.outputs_of(self.reference, probe) for probe in probes]
        seen = []
        for probe in probes:
            seen.append(self.observe(answer, probe))
            if seen[-1].out_of_time:
                break
        if not any(one.attempted for one in seen):
            return None
        notes = []
        for variant in self.accepted:
            theirs = [self.outputs_of(variant.right, probe) for probe in probes]
            if not _all_agree(seen, expected, probes) and _all_agree(seen, theirs, probes):
                expected = theirs
                notes.append(variant.note)
        cases = self._cases(answer, probes, expected, seen)
        if self.may_be_list and all(case.passed for case in cases):
            notes += self._list_note(answer, probes[0], expected[0])
        return cases, notes + _side_notes(seen, cases)

    def _nothing(self, sentence):
        return [Case(self.wanted, False, sentence)], []

    def _cases(self, answer, probes, expected, seen):
        diagnosis = self._diagnosis(probes, expected, seen)
        cases, told = [], set()
        for index, probe in enumerate(probes):
            for name, weight, results in probe.parts:
                if index >= len(seen):
                    feedback = "not run, because the call before it had to be stopped."
                else:
                    feedback = self._feedback(probe, seen[index], expected[index], results)
                passed = not feedback
                if not passed:
                    # One sentence is said once, and the diagnosis stands before the first thing that failed.
                    once = "the same again." if feedback in told else feedback
                    told.add(feedback)
                    feedback, diagnosis = f"{diagnosis}\n{once}" if diagnosis else once, ""
                cases.append(Case(name, passed, feedback, weight))
        if self.changes:
            changed = list(dict.fromkeys(name for one in seen for name in one.changed))
            # Without a result there is nothing to be said for the arguments being whole.
            ran = any(one.outputs is not None for one in seen) and len(seen) == len(probes)
            names = " and ".join(f"`{name}`" for name in changed)
            feedback = self.changes.format(names=names, first=changed[0]) if changed else ""
            if not ran and not changed:
                feedback = "not seen yet: first the function has to return a result."
            # Alone it is worth nothing: code that gets nothing right leaves its arguments whole too.
            weight = 0.5 if any(case.passed for case in cases) else 0.0
            cases.append(Case("the arguments stay as they were", ran and not changed, feedback, weight))
        return cases

    def _feedback(self, probe, seen, expected, results):
        """Why the answer fails in these results of a probe, or ''."""
        if seen.outputs is None:
            return seen.problem
        for index in results:
            if index in seen.missing:
                return seen.missing[index]
        for index in results:
            name, received, right = probe.outputs[index], seen.outputs[index], expected[index]
            if probe.agrees(seen.outputs, expected, index):
                continue
            if probe.say:
                return probe.say(name, received, right)
            if received.shape != right.shape:
                return f"{_given(probe)}, {name} should have shape `{right.shape}`; received shape `{received.shape}`."
            return self._evidence(probe, name, received, right)
        return ""

    def _evidence(self, probe, name, received, expected):
        """Input, expected and received: four numbers from where the difference is largest."""
        with np.errstate(all="ignore"):
            difference = np.abs(received - expected)
            difference = np.where(np.isfinite(received) == np.isfinite(expected), np.nan_to_num(difference), np.inf)
        clue = _clue(received, expected)
        if expected.ndim < 2:
            at = int(difference.argmax())
            received, expected = numbers(received, at), numbers(expected, at)
            return f"{_given(probe)}, {name} should be `{expected}`; received `{received}`.{clue}"
        *_, column = np.unravel_index(int(difference.argmax()), difference.shape)
        at = int(difference[..., column].argmax())
        received, expected = received[..., column].ravel(), expected[..., column].ravel()
        x = probe.args.get("x")
        known = isinstance(x, np.ndarray) and x.shape == difference.shape
        shown = f", where `x` has `{numbers(x[..., column], at)}`" if known else ""
        broken = self.property_broken(name, received, expected)
        return (
            f"{_given(probe)}, look at column {column} of {name}{shown}: it should be `{numbers(expected, at)}`; "
            f"received `{numbers(received, at)}`.{' ' + broken if broken else clue}"
        )

    def _diagnosis(self, probes, expected, seen):
        """The sentence of the misconception that gives the same results as the answer wherever it gives any, or ''."""
        if len(seen) < len(probes) or all(one.outputs is None for one in seen):
            return ""
        if _all_agree(seen, expected, probes):
            return ""
        for misconception in self.misconceptions:
            if self._matches(misconception, probes, expected, seen):
                return misconception.sentence
        return ""

    def _matches(self, misconception, probes, expected, seen):
        told_apart = False
        for probe, one, right in zip(probes, seen, expected, strict=True):
            theirs = self.outputs_of(misconception.wrong, probe)
            if theirs is None:  # undefined here
                if one.outputs is not None:
                    return False
                continue
            if one.outputs is None:
                return False
            if probe.name in misconception.wild:
                if probe.all_agree(one.outputs, right):
                    return False
                told_apart = True
                continue
            if not probe.all_agree(one.outputs, theirs):
                return False
            told_apart = told_apart or not probe.all_agree(theirs, right)
        return told_apart

    def _list_note(self, answer, probe, expected):
        """A remark where a plain list instead of an array is not accepted."""
        seen = self.observe(answer, replace(probe, args=probe.args | {"x": probe.args["x"].tolist()}))
        if seen.outputs is not None and probe.all_agree(seen.outputs, expected):
            return []
        return [
            "`x` may also be a plain list, and then your function fails. `x = np.asarray(x)` as its first line helps."
        ]


# Reading and comparing results ------------------------------------------------------------------------------


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
        count = f"{len(value)} results" if isinstance(value, (tuple, list)) else _kind(value)
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
        raise Remark(f"{_start(name)} is still `{'...' if value is ... else None}`: give it its value too.")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise Remark(f"{_start(name)} is no array of numbers: its rows differ in length or kind.") from None
    if array.dtype.kind not in "biuf":
        wanted = "a number" if name.startswith("the number") else "an array of real numbers"
        raise Remark(f"{_start(name)} should be {wanted}; received {_kind(value)}.")
    return array.astype(np.float64)


def agree(received, expected, tolerance):
    """Whether two results are equal up to `tolerance`, measured against the largest finite expected number."""
    if received.shape != expected.shape:
        return False
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(float(finite.max(initial=0.0)), 1e-2)
    with np.errstate(all="ignore"):
        return bool(np.allclose(received, expected, rtol=0, atol=tolerance * scale, equal_nan=True))


def _all_agree(seen, expected, probes):
    return len(seen) == len(probes) and all(
        one.outputs is not None and probe.all_agree(one.outputs, right)
        for one, right, probe in zip(seen, expected, probes, strict=True)
    )


def _copies(args):
    return {name: value.copy() if isinstance(value, np.ndarray) else _deep(value) for name, value in args.items()}


def _deep(value):
    return [_deep(one) for one in value] if isinstance(value, list) else value


def _same(before, after):
    if isinstance(before, np.ndarray):
        return (
            before.shape == after.shape
            and before.dtype == after.dtype
            and np.array_equal(before, after, equal_nan=True)
        )
    return before == after if isinstance(before, (list, int, float)) else True


# Putting it in words ----------------------------------------------------------------------------------------


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


def _given(probe):
    """The input in a few words: shapes of large arguments, numbers of small ones."""
    parts = []
    for name, value in {**probe.args, **probe.options}.items():
        if isinstance(value, np.ndarray) and value.ndim > 1:
            parts.append(f"`{name}` of shape `{value.shape}`")
        elif isinstance(value, (np.ndarray, int, float)):
            parts.append(f"`{name} = {numbers(value)}`")
    return f"With {', '.join(parts)}" if parts else "In this case"


def _clue(received, expected):
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


def _start(name):
    return name[:1].upper() + name[1:] if name.startswith("the ") else f"`{name}`"


def _kind(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape `{value.shape}`"
    return f"a {quote(type(value).__name__, 40)}"


def _shadowed(answer):
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


def _side_notes(seen, cases):
    """What was printed; and, where something failed, what Python or NumPy warned of."""
    notes = list(dict.fromkeys(one.note for one in seen if one.note))
    printed = next((one.printed for one in seen if one.printed), "")
    if printed:
        notes.append(f"Your code printed {quote(printed)}.")
    warned = next((one.warnings[0] for one in seen if one.warnings), "")
    if warned and not all(case.passed for case in cases):
        notes.append(f"While it ran, there was a warning: {quote(warned)}.")
    return notes
