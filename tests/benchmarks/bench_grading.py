"""How long the checks take.

Run from the repository's root: python -m tests.benchmarks.bench_grading [--submission]

Milliseconds for a right answer, and for the slowest of the listed wrong ones (they are compared with the whole list),
each the least of several; the first check of a kernel apart, which computes what the later ones reuse. With
--submission: seconds to grade one solved notebook with nbgrader, in a kernel of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.grading.course import QUESTIONS, check, questions_of
from helpers.grading.keras_question import KerasQuestion
from helpers.grading.question import ChoiceQuestion
from tests.grading.pairs import answer_with
from tools import grade


def milliseconds(question, answer, repeat):
    """The first and the least time of a check."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        check(question, answer)
        times.append(1000 * (time.perf_counter() - begin))
    return times[0], min(times)


def main(submission):
    code = "import time; begin = time.perf_counter(); import helpers.grading; print(time.perf_counter() - begin)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"import helpers.grading: {1000 * float(found.stdout):.0f} ms, NumPy included\n")
    print(f"{'question':<20}{'first':>10}{'right':>10}{'wrong':>10}   ms")
    for question in QUESTIONS.values():
        if isinstance(question, ChoiceQuestion):
            continue
        if isinstance(question, KerasQuestion):
            from helpers import environment

            environment.quiet_tensorflow()  # what a notebook has done before; it is not the check's time
        repeat = 3 if isinstance(question, KerasQuestion) else 10
        first, right = milliseconds(question.id, answer_with(question, question.reference), repeat)
        listed = [answer_with(question, one.wrong) for one in question.misconceptions]
        wrong = max(milliseconds(question.id, answer, repeat)[1] for answer in listed)
        print(f"{question.id:<20}{first:>10.1f}{right:>10.1f}{wrong:>10.1f}")
    if submission:
        print(f"\none submission with nbgrader: {seconds_per_submission():.1f} s")


def seconds_per_submission():
    with tempfile.TemporaryDirectory() as folder:
        course, submissions = Path(folder, "course"), Path(folder, "submissions")
        submissions.mkdir()
        grade.make_course(course)
        solved = course / "source" / grade.ASSIGNMENT / f"{grade.NOTEBOOK}.ipynb"
        for name in ("first", "second"):
            (submissions / f"{name}.ipynb").write_bytes(solved.read_bytes())
        begin = time.perf_counter()
        grades = grade.grade(submissions, course)
        seconds = (time.perf_counter() - begin) / 2
        full = sum(question.points for question in questions_of(grade.NOTEBOOK).values())
        assert all(one["total"] == full for one in grades.values()), grades
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submission", action="store_true")
    main(parser.parse_args().submission)
