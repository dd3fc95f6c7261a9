"""What the questions of the clinic share: a broken Keras program to repair, and the cause to pick from a list."""

from typing import ClassVar, NamedTuple

from helpers.grading.describing import kind_of
from helpers.grading.keras_question import KerasQuestion
from helpers.grading.question import letter_of, not_a_letter
from helpers.grading.results import Case


class Cause(NamedTuple):
    """One cause to pick: its text in the notebook, whether it is the right one, and the reply to who picks it."""

    text: str
    right: bool
    reply: str


class ClinicQuestion(KerasQuestion):
    """A broken program and its cause. The answer is the pair (the learner's function, a letter).

    program: the function's name in the notebook. causes: letter → Cause, one of them right.
    The first misconception is the program as it stands in the notebook: it earns nothing, and beside an open cause it
    is "not attempted". The weights of the probes' cases add up to CODE_POINTS, beside CAUSE_POINTS for the cause.
    """

    points = 4
    section = "The clinic"
    program = ""
    causes: ClassVar[dict[str, Cause]] = {}
    still_open = (
        "The program still does what it did, and no cause is picked. If you have changed something: the change makes "
        "no difference to the fault."
    )

    CODE_POINTS, CAUSE_POINTS = 3, 1

    @property
    def cause_name(self):
        """The name of the learner's letter in the notebook, such as `cause_1`."""
        return self.id.replace("clinic", "cause")

    @property
    def right_cause(self):
        return next(letter for letter, cause in self.causes.items() if cause.right)

    def judge(self, answer):
        # By `type`, because an object of a learner's may fail at `isinstance` and at `len`.
        if type(answer) not in (tuple, list) or len(answer) != 2:
            both = f'`check("{self.id}", ({self.program}, {self.cause_name}))`'
            sentence = f"Expected the program and the cause together: {both}. Received {kind_of(answer)}."
            return [Case("the program and the cause", False, sentence)], []
        code, cause = answer
        found = None if code is None or code is ... else super().judge(code)
        cases, notes = found or ([self._unrepaired], [])
        if cases == [self._unrepaired] and (cause is None or cause is ...):
            return None
        return [*cases, self._cause_case(cause)], notes

    @property
    def _unrepaired(self):
        return Case("the program is repaired", False, self.misconceptions[0].sentence, self.CODE_POINTS)

    def _not_callable(self, sentence):
        return [Case(self.wanted, False, sentence, self.CODE_POINTS)], []

    def _cases(self, answer, probes, expected, seen):
        # What an unrepaired program does right it did before, so none of it earns points.
        if self._diagnosis(probes, expected, seen) == self.misconceptions[0].sentence:
            return [self._unrepaired]
        return super()._cases(answer, probes, expected, seen)

    def _cause_case(self, answer):
        if answer is None or answer is ...:
            letters = ", ".join(f"`{known}`" for known in self.causes)
            open_ = f"Pick the cause as well: set `{self.cause_name}` to one of the letters {letters}."
            return Case("the cause", False, open_, self.CAUSE_POINTS)
        letter = letter_of(answer)
        if letter not in self.causes:
            return Case("the cause", False, not_a_letter(answer, self.causes), self.CAUSE_POINTS)
        cause = self.causes[letter]
        return Case("the cause", cause.right, f"`{letter}`, “{cause.text}”: {cause.reply}", self.CAUSE_POINTS)

    def answer_source(self):
        code = super().answer_source().replace(f"def {self.id}(", f"def {self.program}(", 1)
        letter = self.right_cause
        return f'{code}\n\n\n{self.cause_name} = "{letter}"  # {self.causes[letter].text}'
