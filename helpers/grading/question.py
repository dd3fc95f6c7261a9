"""What every question shares: it observes an answer on probe inputs and says in words what it found."""

import inspect
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np

from helpers.grading import sandbox
from helpers.grading.comparing import Probe, all_agree
from helpers.grading.describing import (
    clue_of_difference,
    input_in_words,
    kind_of,
    numbers,
    shadowed_name_hint,
    side_notes,
)
from helpers.grading.observing import Noted, Remark, Seen, copied_arguments, read, unchanged
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


STILL_OPEN = (
    "Your answer still returns `...`. If you have written code: is the variable after `return` the one that you filled?"
)


class Question:
    """One exercise. The attributes are its metadata; `judge` looks at an answer and returns (cases, notes) or None.

    id: as given to `check`. short: three letters, for the column of a table. points: what it is worth, in this one
    place. section: of the lesson.
    notebook, heading: where to read again.
    hints: two, the second says more. try_first: what `solution` says before it shows `answer_source()`.
    before_answer: the line above that. still_open: what to say to an answer in which nothing was done yet.
    """

    id = ""
    short = ""
    title = ""
    points = 4
    section = ""
    notebook = ""
    heading = ""
    hints: tuple[str, str] = ("", "")
    try_first = ""
    before_answer = "One right answer:"
    still_open = STILL_OPEN

    def check(self, answer):
        """The Result for an answer. Raises nothing for what a learner wrote, only the user's own interrupt."""
        found = None if answer is None or answer is ... else self.judge(answer)
        if found is None:
            notes = () if answer is None or answer is ... else (self.still_open,)
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


def letter_of(answer):
    """The letter in what a learner wrote, such as `"(B)"`; None where it is no text."""
    return answer.strip().strip("()[].'\"").lower() if isinstance(answer, str) else None


def not_a_letter(answer, options):
    """What to say to an answer that is none of the letters."""
    letters = ", ".join(f"`{known}`" for known in options)
    said = sandbox.run(lambda: repr(answer))
    received = quote(said.value if said.error is None else type(answer).__name__, 60)
    return f"Answer with one of the letters {letters}. Received: {received}."


class ChoiceQuestion(Question):
    """A question in words. `options`: letter → Choice. The answer and the reason behind it count half each."""

    points = 2
    before_answer = "Full points go to:"
    options: ClassVar[dict[str, Choice]] = {}

    def judge(self, answer):
        letter = letter_of(answer)
        if letter not in self.options:
            return [Case("one of the letters", False, not_a_letter(answer, self.options))], []
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
        self._computed_outputs = {}

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
        before = copied_arguments(probe.args)
        given = copied_arguments(probe.args)
        outcome = sandbox.run(
            lambda: self._use(answer, probe, given), seconds=self.seconds, limit_memory=self.limit_memory
        )
        if outcome.error is not None:
            # nbgrader's own stub raises this one.
            unanswered = outcome.error.startswith("Your code stopped with `NotImplementedError`")
            said = next((f" {sentence}" for part, sentence in self.explains if part in outcome.error), "")
            seen = Seen(problem=outcome.error + said + shadowed_name_hint(answer), attempted=not unanswered)
            seen.out_of_time = outcome.out_of_time
        else:
            seen = outcome.value
        seen.changed = tuple(name for name in given if not unchanged(before[name], given[name]))
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
        if key not in self._computed_outputs:
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._computed_outputs[key] = self._use(function, probe, copied_arguments(probe.args)).outputs
            except Exception:
                self._computed_outputs[key] = None
        return self._computed_outputs[key]

    # The verdict ----------------------------------------------------------------------------------------------------

    def judge(self, answer):
        if not callable(answer):
            return self._not_callable(f"Expected {self.wanted}, received {kind_of(answer)}.")
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
            if not all_agree(seen, expected, probes) and self._is_variant(seen, theirs, probes):
                expected = theirs
                notes.append(variant.note)
        cases = self._cases(answer, probes, expected, seen)
        if self.may_be_list and all(case.passed for case in cases):
            notes += self._list_note(answer, probes[0], expected[0])
        return cases, notes + side_notes(seen, cases)

    def _is_variant(self, seen, theirs, probes):
        """Whether the answer is the accepted one that gives these results."""
        return all_agree(seen, theirs, probes)

    def _not_callable(self, sentence):
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
                shapes = f"should have shape `{right.shape}`; received shape `{received.shape}`."
                return f"{input_in_words(probe)}, {name} {shapes}"
            return self._evidence(probe, name, received, right)
        return ""

    def _evidence(self, probe, name, received, expected):
        """Input, expected and received: four numbers from where the difference is largest."""
        with np.errstate(all="ignore"):
            difference = np.abs(received - expected)
            difference = np.where(np.isfinite(received) == np.isfinite(expected), np.nan_to_num(difference), np.inf)
        clue = clue_of_difference(received, expected)
        if expected.ndim < 2:
            at = int(difference.argmax())
            received, expected = numbers(received, at), numbers(expected, at)
            return f"{input_in_words(probe)}, {name} should be `{expected}`; received `{received}`.{clue}"
        *_, column = np.unravel_index(int(difference.argmax()), difference.shape)
        at = int(difference[..., column].argmax())
        received, expected = received[..., column].ravel(), expected[..., column].ravel()
        x = probe.args.get("x")
        known = isinstance(x, np.ndarray) and x.shape == difference.shape
        shown = f", where `x` has `{numbers(x[..., column], at)}`" if known else ""
        broken = self.property_broken(name, received, expected)
        return (
            f"{input_in_words(probe)}, look at column {column} of {name}{shown}: "
            f"it should be `{numbers(expected, at)}`; received `{numbers(received, at)}`."
            f"{' ' + broken if broken else clue}"
        )

    def _diagnosis(self, probes, expected, seen):
        """The sentence of the misconception that gives the same results as the answer wherever it gives any, or ''."""
        if len(seen) < len(probes) or all(one.outputs is None for one in seen):
            return ""
        if all_agree(seen, expected, probes):
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
