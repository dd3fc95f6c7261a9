"""What a check found. Nothing here knows how it is shown: that is `render`'s work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One property of an answer. `feedback` says in words what was found; `weight` is its share of the points."""

    name: str
    passed: bool
    feedback: str
    weight: float = 1.0


@dataclass(frozen=True)
class Result:
    """The outcome of one check.

    question, title: the exercise's id and name. max_score: its points. cases: what was looked at, in order.
    notes: remarks that cost nothing. attempted: False while the answer is still `...` or None.
    As text/plain it is its score, which is what nbgrader reads; `print(result)` shows the feedback.
    """

    question: str
    title: str
    max_score: float
    cases: tuple[Case, ...] = ()
    notes: tuple[str, ...] = ()
    attempted: bool = True

    @property
    def score(self):
        """Points: each case that passed brings its share, in quarters of a point; all of them only where all passed."""
        total = sum(case.weight for case in self.cases)
        if not self.attempted or not total:
            return 0.0
        earned = sum(case.weight for case in self.cases if case.passed)
        if self.passed:
            return float(self.max_score)
        return max(0.0, min(round(4 * self.max_score * earned / total) / 4, self.max_score - 0.25))

    @property
    def passed(self):
        return self.attempted and bool(self.cases) and all(case.passed for case in self.cases)

    @property
    def feedback(self):
        """The one thing to read first: what the first case that failed has to say."""
        return next((case.feedback for case in self.cases if not case.passed), "")

    def __repr__(self):
        return f"{self.score:g}"

    def __str__(self):
        from helpers.grading import render

        return render.plain(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        from helpers.grading import render

        return {"text/plain": repr(self), "text/markdown": render.markdown(self), "text/html": render.html(self)}


@dataclass(frozen=True)
class Line:
    """One question in the report: `result` is None where it was not checked yet."""

    question: str
    title: str
    section: str
    notebook: str
    heading: str
    max_score: float
    result: Result | None

    @property
    def link(self):
        """Where to read again, as JupyterLab names it: the heading with hyphens for spaces."""
        return f"{self.notebook}.ipynb" + (f"#{self.heading.replace(' ', '-')}" if self.heading else "")

    @property
    def score(self):
        return self.result.score if self.result else 0.0

    @property
    def state(self):
        if self.result is None or not self.result.attempted:
            return "not attempted"
        return "correct" if self.result.passed else "not yet"


@dataclass(frozen=True)
class Report:
    """The points of all exercises by section, and what to read again. `saved`: the file it was written to, if any."""

    lines: tuple[Line, ...]
    saved: str | None = None

    @property
    def score(self):
        return round(sum(line.score for line in self.lines), 2)

    @property
    def max_score(self):
        return sum(line.max_score for line in self.lines)

    @property
    def sections(self):
        """Section → its lines, in the order of the course."""
        groups = {}
        for line in self.lines:
            groups.setdefault(line.section, []).append(line)
        return groups

    def __repr__(self):
        return f"{self.score:g} of {self.max_score:g} points"

    def __str__(self):
        from helpers.grading import render

        return render.report_plain(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        from helpers.grading import render

        return {
            "text/plain": str(self),
            "text/markdown": render.report_markdown(self),
            "text/html": render.report_html(self),
        }
