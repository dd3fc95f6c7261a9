"""The exercises in the order of the course, and what the notebook calls."""

import difflib
import importlib.util
import os
from pathlib import Path

from helpers.grading.question import Question
from helpers.grading.questions.batchnorm_backward import BatchNormBackward
from helpers.grading.questions.batchnorm_forward import BatchNormForward
from helpers.grading.questions.batchnorm_layer import BatchNormLayer
from helpers.grading.questions.build_model import BuildModel
from helpers.grading.questions.clinic_1_training_flag import TrainingFlag
from helpers.grading.questions.clinic_2_waking_batchnorm import WakingBatchNorm
from helpers.grading.questions.clinic_3_channels_first import ChannelsFirst
from helpers.grading.questions.clinic_4_last_batch_of_one import LastBatchOfOne
from helpers.grading.questions.clinic_5_dropout_first import DropoutFirst
from helpers.grading.questions.clinic_6_from_pytorch import FromPyTorch
from helpers.grading.questions.ex1 import Exercise1
from helpers.grading.questions.ex2 import Exercise2
from helpers.grading.questions.fold_batchnorm import FoldBatchNorm
from helpers.grading.questions.freeze import Freeze
from helpers.grading.questions.group_norm import GroupNorm
from helpers.grading.questions.layer_norm import LayerNorm
from helpers.grading.questions.layer_norm_backward import LayerNormBackward
from helpers.grading.questions.normalize import Normalize
from helpers.grading.questions.quiz1 import Quiz1
from helpers.grading.questions.quiz2 import Quiz2
from helpers.grading.questions.recalibrate import Recalibrate
from helpers.grading.questions.spatial_statistics import SpatialStatistics
from helpers.grading.questions.train_step import TrainStep
from helpers.grading.questions.transfer import Transfer
from helpers.grading.questions.update_moving import UpdateMoving
from helpers.grading.questions.warm_up_steps import WarmUpSteps
from helpers.grading.results import Case, Line, Report, Result
from helpers.grading.sandbox import quote

QUESTIONS: dict[str, Question] = {
    question.id: question
    for question in (
        Exercise1(),
        Exercise2(),
        Quiz1(),
        Quiz2(),
        Normalize(),
        BatchNormForward(),
        UpdateMoving(),
        BatchNormLayer(),
        BatchNormBackward(),
        WarmUpSteps(),
        FoldBatchNorm(),
        BuildModel(),
        TrainStep(),
        Freeze(),
        Recalibrate(),
        SpatialStatistics(),
        LayerNorm(),
        GroupNorm(),
        LayerNormBackward(),
        Transfer(),
        TrainingFlag(),
        WakingBatchNorm(),
        ChannelsFirst(),
        LastBatchOfOne(),
        DropoutFirst(),
        FromPyTorch(),
    )
}

# The lesson's sections, in its order.
SECTIONS = (
    "The core problem",
    "How normalization works",
    "Where it is applied",
    "Code example",
    "BatchNorm vs Dropout",
    "Training vs inference",
)
# What goes beyond the lesson.
BEYOND = ("Images and other normalisations", "The clinic")
# Which notebook asks the questions of which sections.
NOTEBOOKS = {"07_exercises": SECTIONS, "10_exercises_and_clinic": BEYOND}

# The environment variable that names an instructor's file with further probes (docs/instructors.md).
OVERLAY = "BATCHNORM_GRADING_OVERLAY"

_results: dict[str, Result] = {}
_hints_given: dict[str, int] = {}
_overlaid: set[str] = set()


def check(question, answer):
    """Check an answer and say what was found.

    question: its id, such as "normalize". answer: the function, class or letter. Returns a Result, which shows the
    feedback in a notebook; `print` shows it elsewhere. Raises nothing for what the answer does; ValueError for an
    unknown question; KeyboardInterrupt where you stop it yourself.
    """
    exercise = _find(question)
    try:
        result = exercise.check(answer)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        # Of what the check itself imports; an answer's own imports are part of its feedback.
        note = f"{error} Without it the NumPy exercises still work. Nothing was graded here."
        result = Result(exercise.id, exercise.title, exercise.points, notes=(note,), attempted=False)
    except BaseException as error:
        # No answer is known that comes here. If one does, the learner keeps a notebook that runs on.
        feedback = f"The check itself could not read this answer ({quote(type(error).__name__)}). Please report it."
        result = Result(
            exercise.id, exercise.title, exercise.points, (Case("the answer can be read", False, feedback),)
        )
    _results[exercise.id] = result
    return result


def hint(question):
    """The next hint for a question: two in all, the second says more."""
    exercise = _find(question)
    asked, count = _hints_given.get(exercise.id, 0), len(exercise.hints)
    _hints_given[exercise.id] = asked + 1
    given = min(asked, count - 1)
    end = f'\nNo more hints: `solution("{exercise.id}")` tells you what to try first.' if asked >= count else ""
    return Text(f"Hint {given + 1} of {count}: {exercise.hints[given]}{end}")


def solution(question, reveal=False):
    """What to try first; with `reveal=True`, the answer."""
    exercise = _find(question)
    if not reveal:
        return Text(
            f"Try this first: {exercise.try_first}\n"
            f'Still stuck? `solution("{exercise.id}", reveal=True)` shows the answer.'
        )
    return Text(exercise.before_answer, exercise.answer_source())


def questions_of(notebook):
    """The questions of a notebook, such as "07_exercises": {id: question}, in the order of its sections."""
    sections = NOTEBOOKS[notebook]
    asked = [question for question in QUESTIONS.values() if question.section in sections]
    return {question.id: question for question in sorted(asked, key=lambda question: sections.index(question.section))}


def report(save=None, notebook="07_exercises"):
    """The points of what was checked since the kernel started, by section, and what to read again.

    notebook: whose questions are counted, by default the lesson's exercises.
    save: the name of a text file to write it to, for handing in; without it nothing is written.
    """
    lines = tuple(
        Line(
            exercise.id,
            exercise.title,
            exercise.section,
            exercise.notebook,
            exercise.heading,
            exercise.points,
            _results.get(exercise.id),
        )
        for exercise in questions_of(notebook).values()
    )
    if save is None:
        return Report(lines)
    Path(save).write_text(f"{Report(lines)}\n", encoding="utf-8")
    return Report(lines, saved=str(save))


class Text:
    """A few sentences, and some code below them."""

    def __init__(self, text, code=""):
        self.text, self.code = text, code

    def __repr__(self):
        return self.text + (f"\n\n{self.code}" if self.code else "")

    def _repr_markdown_(self):
        return self.text.replace("\n", "  \n") + (f"\n\n```python\n{self.code}\n```" if self.code else "")


def _find(question):
    if question not in QUESTIONS:
        near = difflib.get_close_matches(str(question), QUESTIONS, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no question {question!r}.{meant} The questions are {', '.join(QUESTIONS)}.")
    _load_overlay(os.environ.get(OVERLAY))
    return QUESTIONS[question]


def _load_overlay(path):
    """Run an instructor's file once; its `extend(questions)` may add probes or replace questions."""
    if not path or path in _overlaid:
        return
    spec = importlib.util.spec_from_file_location("grading_overlay", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.extend(QUESTIONS)
    _overlaid.add(path)
