"""What a learner sees: results, hints, solutions and the report, as text, Markdown and HTML."""

import html.parser
import time

import numpy as np
import pytest

from helpers.grading import check, course, hint, render, report, solution
from helpers.grading.clinic_question import ClinicQuestion
from helpers.grading.course import QUESTIONS, questions_of
from helpers.grading.keras_question import KerasQuestion
from helpers.grading.question import ChoiceQuestion
from helpers.grading.results import Case, Result
from tests.grading.pairs import answer_with


@pytest.fixture(autouse=True)
def new_kernel(monkeypatch):
    """Every test begins as a notebook does: nothing checked, no hint given."""
    monkeypatch.setattr(course, "_results", {})
    monkeypatch.setattr(course, "_hints_given", {})


def right(x, epsilon=1e-3):
    return (np.asarray(x) - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + epsilon)


def layernorm(x, epsilon=1e-3):
    return ((x.T - x.mean(1)) / np.sqrt(x.var(1) + epsilon)).T


def own_epsilon(x, epsilon=1e-3):
    return right(x)


class Balanced(html.parser.HTMLParser):
    """Counts open tags, collects the text and insists that all tags are ours."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text = [], ""
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in {
            "div",
            "p",
            "strong",
            "em",
            "ul",
            "li",
            "code",
            "br",
            "details",
            "summary",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "a",
        }
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("answer", "points"), [(right, "4"), (own_epsilon, "3.5"), (layernorm, "0"), (None, "0"), (..., "0")]
)
def test_the_plain_text_of_a_result_is_its_score(answer, points, monkeypatch):
    monkeypatch.setattr(QUESTIONS["normalize"], "points", 4)
    result = check("normalize", answer)
    bundle = result._repr_mimebundle_()
    assert repr(result) == bundle["text/plain"] == points
    assert float(bundle["text/plain"]) == result.score <= result.max_score


@pytest.mark.parametrize("answer", [right, layernorm, None, lambda x, epsilon: "<b>`x`</b> *y* $z$ [a](b)"])
def test_all_texts_say_the_same(answer):
    result = check("normalize", answer)
    bundle = result._repr_mimebundle_()
    text = Balanced(bundle["text/html"]).text
    word = {True: "Correct", False: "Not yet"}[result.passed] if result.attempted else "Not attempted"
    for shown in (text, bundle["text/markdown"], str(result)):
        assert word in shown
        assert "Normalise a batch" in shown
    for case in result.cases:
        assert case.name in text
        assert case.name in str(result)
    assert text.count("not yet") == sum(not case.passed for case in result.cases)


def test_unanswered_is_neither_wrong_nor_right():
    result = check("normalize", ...)
    assert (result.attempted, result.passed, result.cases, result.score) == (False, False, (), 0)
    assert "not yet" not in str(result)

    def half(moving_mean, moving_variance, x, momentum=0.99):
        return 0.5 * moving_mean, ...

    assert not check("update_moving", lambda *arguments, **options: (..., ...)).attempted
    assert check("update_moving", half).attempted
    assert "still `...`" in " ".join(case.feedback for case in check("update_moving", half).cases)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_partial_credit_is_the_share_of_the_weights(letter):
    cases = (Case("one", True, "", 3), Case("two", letter == "a", "no", 1))
    result = Result("x", "X", 8, cases)
    assert result.score == (8 if letter == "a" else 6)
    assert result.passed == (letter == "a")


@pytest.mark.parametrize(
    ("passed", "of", "points", "score"),
    [(0, 13, 4, 0), (1, 13, 4, 0.25), (5, 13, 4, 1.5), (99, 100, 4, 3.75), (100, 100, 4, 4), (1, 1, 2.3, 2.3)],
)
def test_points_come_in_quarters_and_in_full_only_to_what_is_right(passed, of, points, score):
    cases = [Case(str(number), number < passed, "") for number in range(of)]
    assert Result("x", "X", points, tuple(cases)).score == score


@pytest.mark.parametrize("question", ["normalize", "batchnorm_forward", "update_moving", "fold_batchnorm"])
def test_whole_arguments_alone_are_worth_nothing(question):
    outputs = {"update_moving": 2, "fold_batchnorm": 2}.get(question, 1)
    results = (np.full(3, 77.0),) * outputs
    result = check(question, lambda *given, **options: results if outputs > 1 else results[0])
    assert [case.name for case in result.cases if case.passed] == ["the arguments stay as they were"]
    assert result.score == 0


def test_everything_a_learner_wrote_is_escaped():
    case = Case("name", False, "`<script>` & <b> `</code>`")
    result = Result("x", "<i>X</i>", 1, (case,), ("`<img>`",))
    Balanced(render.html(result))
    assert "\\<b\\>" in render.markdown(result)
    assert "`<script>`" in render.markdown(result)  # in a code span, Markdown interprets nothing


def test_hints_come_one_after_the_other():
    texts = [repr(hint("normalize")) for _ in range(3)]
    assert texts[0].startswith("Hint 1 of 2: ")
    assert texts[2].startswith(texts[1])
    assert texts[2].endswith('No more hints: `solution("normalize")` tells you what to try first.')
    assert "No more" not in texts[0] + texts[1]
    assert texts[1].startswith("Hint 2 of 2: ")
    assert repr(hint("ex1")).startswith("Hint 1 of 2: ")


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_solution_says_first_what_to_try(question):
    first, shown = repr(solution(question)), repr(solution(question, reveal=True))
    source = QUESTIONS[question].answer_source()
    assert QUESTIONS[question].try_first in first
    assert source not in first
    assert source in shown
    assert "    return" in source or "class" in source or source.startswith('# "') or "momentum" in source


@pytest.mark.parametrize("question", [one.id for one in QUESTIONS.values() if not isinstance(one, ChoiceQuestion)])
def test_the_solution_that_is_shown_is_right(question):
    names = {"np": np}
    exec(QUESTIONS[question].answer_source(), names)
    exercise = QUESTIONS[question]
    code = names[getattr(exercise, "program", question)]  # under the name that the exercise asks for
    assert check(question, answer_with(exercise, code)).passed
    if isinstance(exercise, ClinicQuestion):
        assert names[exercise.cause_name] == exercise.right_cause


def test_a_solution_names_every_letter_that_is_credited():
    assert repr(solution("ex1", reveal=True)).count('# "') == 2
    assert "One right answer" not in repr(solution("ex1", reveal=True))
    assert repr(solution("normalize", reveal=True)).startswith("One right answer:\n\ndef normalize(x, epsilon=1e-3):")


def test_an_unknown_question_is_named_with_its_neighbour():
    for function in (lambda: check("normalise", None), lambda: hint("normalise"), lambda: solution("normalise")):
        with pytest.raises(ValueError, match=r"no question 'normalise'\. Did you mean 'normalize'"):
            function()


def test_the_report_adds_up_and_says_what_to_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(QUESTIONS["normalize"], "points", 4)
    monkeypatch.setattr(QUESTIONS["ex1"], "points", 2)
    check("normalize", own_epsilon)
    check("ex1", "b")
    check("quiz1", None)
    found = report(save=tmp_path / "mine.txt")
    assert found.score == pytest.approx(5.5)
    assert found.max_score == sum(question.points for question in questions_of("07_exercises").values())
    assert [line.question for line in found.lines if line.state == "not yet"] == ["normalize"]
    text = (tmp_path / "mine.txt").read_text(encoding="utf-8")
    assert f"Total: 5.5 of {found.max_score:g} points" in text
    assert "02_batchnorm_from_scratch, “Step 2: divide by the standard deviation”" in text
    page = Balanced(found._repr_mimebundle_()["text/html"])
    assert (
        'href="02_batchnorm_from_scratch.ipynb#Step-2:-divide-by-the-standard-deviation"'
        in found._repr_mimebundle_()["text/html"]
    )
    assert f"5.5 of {found.max_score:g} points" in page.text
    check("normalize", right)
    assert report().score == 6


def test_a_report_writes_nothing_unless_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"{len(questions_of('07_exercises'))} exercises wait for you" in str(report())
    beyond = "10_exercises_and_clinic"
    assert f"{len(questions_of(beyond))} exercises wait for you" in str(report(notebook=beyond))
    assert list(tmp_path.iterdir()) == []


def test_a_check_is_deterministic():
    assert check("normalize", layernorm) == check("normalize", layernorm)


@pytest.mark.parametrize("question", [one.id for one in QUESTIONS.values() if not isinstance(one, KerasQuestion)])
def test_a_numpy_check_takes_less_than_200_ms(question):
    answers = [getattr(QUESTIONS[question], "reference", "a")]
    answers += [one.wrong for one in getattr(QUESTIONS[question], "misconceptions", ())]
    for answer in answers:
        best = min(_seconds(question, answer) for _ in range(3))
        assert best < 0.2


def _seconds(question, answer):
    begin = time.perf_counter()
    check(question, answer)
    return time.perf_counter() - begin


def test_an_overlay_adds_hidden_probes(tmp_path, monkeypatch):
    file = tmp_path / "overlay.py"
    file.write_text(
        "import numpy as np\n"
        "from helpers.grading.question import Probe\n"
        "def extend(questions):\n"
        "    x = np.array([[1.0, 7.0], [5.0, 2.0], [0.0, 0.0]])\n"
        "    questions['normalize'].hidden.append(Probe('hidden: another batch', {'x': x}))\n"
    )
    monkeypatch.setattr(course, "_overlaid", set())
    monkeypatch.setattr(QUESTIONS["normalize"], "hidden", [])
    monkeypatch.setenv(course.OVERLAY, str(file))

    def knows_the_probes(x, epsilon=1e-3):
        return right(x, epsilon) if x.shape != (3, 2) else x

    assert check("normalize", right).passed
    result = check("normalize", knows_the_probes)
    assert [case.name for case in result.cases if not case.passed] == ["hidden: another batch"]
