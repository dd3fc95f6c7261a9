"""Nothing that a learner writes stops the notebook: every attack becomes feedback, and the process is as it was."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers.grading import check, sandbox
from helpers.grading.course import QUESTIONS

# What only some systems can do (the docstrings of `sandbox` say so).
COUNTS_MEMORY = Path("/proc/self/statm").is_file()
HAS_ALARM = hasattr(signal, "setitimer")

RIGHT = """
def normalize(x, epsilon=1e-3):
    x = np.asarray(x, dtype=float)
    {line}
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)
"""


def learner(source, name="normalize", **names):
    """The learner's function, defined as in a notebook: in a namespace of its own, called __main__."""
    space = {"np": np, "__name__": "__main__", **names}
    exec(compile(source, "<cell>", "exec"), space)
    return space[name]


def with_line(line, **names):
    return learner(RIGHT.format(line=line), **names)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("raise ValueError('of mine')", "ValueError: of mine"),
        ("x.maen()", "maen"),
        ("raise SystemExit", "`exit`"),
        ("import sys; sys.exit(3)", "`exit`"),
        ("exit()", "`exit`"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseException('all of it')", "all of it"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"),
        ("round_ = ValueError('in a circle'); round_.__context__ = round_; raise round_", "in a circle"),
        ("return normalize(x)", "calls itself"),
        ("np.ones(10**13)", "memory"),
        ("np.ones(10**9)", "memory"),
        ("x = [0] * 10**12", "memory"),
        ("yield x", "generator"),
        ("return None", "nothing"),
        ("return 'a string'", "real numbers"),
        ("return x.astype(complex)", "real numbers"),
        ("return object()", "real numbers"),
        ("return [[1, 2], [3]]", "rows differ"),
        ("return x, x", "a tuple of 2 things. Return the result alone"),
        ("return x[0]", "shape `(3,)`"),
        ("return x.T", "shape `(3, 4)`"),
        ("return 0.0", "shape `()`"),
        ("return x * np.nan", "`nan`"),
        ("return x * np.inf", "`inf`"),
        ("return type('Odd', (), {'__array__': lambda self, *a, **k: 1 / 0})()", "ZeroDivisionError"),
        ("return np.random.normal(size=x.shape)", "should"),
        ("return '<script>alert(1)</script>'", "real numbers"),
        ("raise ValueError('<script>alert(1)</script>')", "ValueError"),
        ("raise ValueError('`</code><img src=x onerror=alert(1)>`')", "ValueError"),
        ("import warnings; warnings.simplefilter('error'); np.float64(0) / 0", "RuntimeWarning"),
    ],
)  # fmt: skip
def test_an_attack_becomes_feedback(line, says):
    if line == "return normalize(x)" and sys.version_info[:3] == (3, 13, 0):
        pytest.skip(
            "Python 3.13.0 does not stop the recursion of a function with a default argument, with or without us"
        )
    if says == "memory" and not COUNTS_MEMORY:
        pytest.skip("nothing limits the memory of a call here, so the system may give it, or try to")
    result = check("normalize", with_line(line))
    assert not result.passed
    assert result.attempted
    assert result.score < result.max_score
    assert says in result.feedback
    html = result._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "<img" not in html


def test_the_learners_own_line_is_named():
    feedback = check("normalize", with_line("helper = None; helper.mean()")).feedback
    assert "line 4" in feedback


@pytest.mark.parametrize(
    "line",
    [
        "while True: pass",
        "while True: time.sleep(0.01)",
        "time.sleep(60)",
        "import itertools; sum(1 for _ in itertools.count())",
        "forever = []\n    while True: forever.append(1)",
        "while True: print('again')",
        "while True:\n        try:\n            time.sleep(0.01)\n        except BaseException:\n            pass",
        "while True:\n        try:\n            x = x + 1\n        except:\n            continue",
    ],
)
@pytest.mark.parametrize("in_thread", [False, True], ids=["main thread", "other thread"])
def test_an_endless_loop_is_stopped(short, line, in_thread):
    if line == "time.sleep(60)" and (in_thread or not HAS_ALARM):
        pytest.skip("without signals a sleeping call ends when it wakes; docs/instructors.md says so")
    answer, results = with_line(line, time=time), []
    begin = time.monotonic()
    if in_thread:
        thread = threading.Thread(target=lambda: results.append(check("normalize", answer)))
        thread.start()
        thread.join(20)
    else:
        results.append(check("normalize", answer))
    assert time.monotonic() - begin < 10
    assert len(results) == 1
    assert results[0].score == 0
    assert "stopped" in results[0].feedback or "memory" in results[0].feedback


def test_five_seconds_are_the_limit():
    assert sandbox.SECONDS == 5
    begin = time.monotonic()
    result = check("normalize", with_line("while True: pass"))
    assert 4.9 < time.monotonic() - begin < 7
    assert "after 5 seconds" in result.feedback
    assert "or for something slow" in result.feedback
    assert len(result.cases) == 7


@pytest.mark.skipif(os.name == "nt", reason="on Windows os.kill with SIGINT ends the process at once")
def test_a_real_interrupt_stops_the_check():
    """The stop button must work, and is told from a KeyboardInterrupt that the code raises."""
    handler = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        check("normalize", with_line("while True: pass"))
    timer.join()
    assert signal.getsignal(signal.SIGINT) is handler


def test_prints_and_warnings_stay_inside(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = check(
            "normalize", with_line("print('<b>here</b>'); print('too', file=sys.stderr); np.float64(0) / 0", sys=sys)
        )
    assert result.passed
    assert capsys.readouterr() == ("", "")
    assert any("here" in note for note in result.notes)
    assert "<b>" not in result._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(("category", "shown"), [("DeprecationWarning", False), ("RuntimeWarning", True)])
def test_what_a_library_will_change_one_day_is_not_mentioned(category, shown):
    result = check("normalize", with_line(f"import warnings; warnings.warn('of a library', {category}); return x"))
    assert any("of a library" in note for note in result.notes) == shown


def test_nothing_is_left_behind():
    # the global generator, which a learner may use
    state = np.random.get_state()[1].copy(), random.getstate(), np.geterr(), sys.stdout, sys.gettrace()  # noqa: NPY002
    interrupt = signal.getsignal(signal.SIGINT)
    check("normalize", with_line("np.random.rand(3); random.random(); np.seterr(all='raise')", random=random))
    check("normalize", with_line("raise SystemExit"))
    after = np.random.get_state()[1], random.getstate(), np.geterr(), sys.stdout, sys.gettrace()  # noqa: NPY002
    assert (state[0] == after[0]).all()
    assert state[1:] == after[1:]
    assert signal.getsignal(signal.SIGINT) is interrupt


@pytest.mark.skipif(not HAS_ALARM, reason="Windows has neither SIGALRM nor the module resource")
def test_no_limit_is_left_behind():
    import resource

    def limits():
        return signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_AS)

    before = limits()
    check("normalize", with_line("raise SystemExit"))
    assert limits() == before


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Installs a module with this source, and forgets it at the end. Returns its name."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(source):
        (folder / "large_library.py").write_text(source)
        return "large_library"

    yield install
    sys.modules.pop("large_library", None)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            "import mmap\nmmap.mmap(-1, 2 * 2**30)",
            marks=pytest.mark.skipif(not COUNTS_MEMORY, reason="nothing limits the memory of a call here"),
            id="memory",
        ),
        pytest.param("import time\nfor _ in range(50): time.sleep(0.01)", id="time"),
    ],
)
@pytest.mark.parametrize("where", ["function", "inner function", "another function", "class"])
def test_a_library_may_be_imported_in_an_answer(short, library, source, where):
    line = f"import {library(source)}"
    if where == "class":
        right, space = QUESTIONS["BatchNorm"].reference, {}
        exec(f"def __call__(self, x, training=False):\n    {line}\n    return right(self, x, training)",
             {"right": right.__call__}, space)  # fmt: skip
        assert check("BatchNorm", type("BatchNorm", (right,), space)).passed
        return
    define = f"def other():\n    {line}\n"
    inside = define.replace("\n", "\n    ") + "\n    other()"
    answer = {
        "function": with_line(line),
        "inner function": with_line(inside),
        "another function": learner(define + RIGHT.format(line="other()")),
    }[where]
    result = check("normalize", answer)
    assert result.passed, str(result)


@pytest.mark.parametrize("seconds", [5, 1])
def test_keras_may_be_imported_in_an_answer(seconds):
    """In a process of its own, because an interrupted import of TensorFlow is not mended by another one."""
    code = (
        "import sys\n"
        "from helpers.grading import check, sandbox\n"
        "import numpy as np\n"
        f"sandbox.SECONDS = {seconds}\n"
        "def normalize(x, epsilon=1e-3):\n"
        "    import keras\n"
        "    return (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + epsilon)\n"
        "result = check('normalize', normalize)\n"
        "print(result)\n"
        "sys.exit(not (result.passed and 'keras' in sys.modules))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("raise ImportError('broken')", "import large_library", "ImportError: broken"),
        ("", "import a_library_that_is_not_there", "ModuleNotFoundError"),
        pytest.param(
            "def ones():\n    return bytearray(2 * 2**30)",
            "import large_library; large_library.ones()",
            "memory",
            marks=pytest.mark.skipif(not COUNTS_MEMORY, reason="nothing limits the memory of a call here"),
        ),
        ("", "import large_library\n    while True: pass", "still running after 0.3 seconds"),
    ],
)
def test_what_is_done_beside_an_import_has_its_limits(short, library, source, line, says):
    library(source)
    result = check("normalize", with_line(line))
    assert not result.passed
    assert says in result.feedback


def test_random_answers_get_the_same_feedback_twice():
    answer = with_line("return np.random.normal(size=x.shape)")
    assert str(check("normalize", answer)) == str(check("normalize", answer))


@pytest.mark.parametrize(
    ("names", "says"), [({"np": 3}, "`np` is no longer NumPy"), ({"sum": 7}, "`sum` is no longer")]
)
def test_a_shadowed_name_is_explained(names, says):
    source = "def normalize(x, epsilon=1e-3):\n    return (x - sum([1])) / np.sqrt(x.var(axis=0) + epsilon)"
    assert says in check("normalize", learner(source, **names)).feedback


@pytest.mark.parametrize("question", ["normalize", "BatchNorm", "warm_up_steps", "ex1", "quiz2"])
@pytest.mark.parametrize("answer", [3, True, [], {}, "zzz", b"a", object(), type, np.ones(3), float("nan"), print, int])
def test_any_kind_of_answer_gets_a_result(question, answer):
    result = check(question, answer)
    assert result.score == 0
    assert result.feedback


@pytest.mark.parametrize(
    "hook", ["__repr__", "__str__", "__eq__", "__bool__", "__hash__", "__len__", "strip", "__class__"]
)
def test_an_object_that_fails_everywhere_gets_a_result(hook):
    def fail(*_):
        raise RuntimeError("hostile")

    odd = type("Odd", (), {hook: property(fail) if hook == "__class__" else fail})()
    for question in ("normalize", "ex1", "BatchNorm"):
        assert check(question, odd).score == 0
        assert check(question, lambda *args, **options: odd).score == 0


@pytest.mark.parametrize(
    "body",
    [
        "def __init__(self, *a, **k): raise SystemExit",
        "def __init__(self, features, momentum=0.99, epsilon=1e-3): pass",
        "def __init__(self, features, momentum=0.99, epsilon=1e-3):\n        self.gamma = 'one'",
        "def __getattr__(self, name): raise RuntimeError(name)",
        "__slots__ = ()\n    def __init__(self, features, momentum=0.99, epsilon=1e-3): pass",
    ],
)
def test_hostile_layers_get_a_result(body):
    result = check("BatchNorm", learner(f"class BatchNorm:\n    {body}", "BatchNorm"))
    assert result.score == 0
    assert "Your code" in result.feedback or "should be an array" in result.feedback


def test_no_numpy_question_imports_tensorflow():
    code = (
        "import sys\n"
        "from helpers.grading.course import QUESTIONS, check\n"
        "from helpers.grading.keras_question import KerasQuestion\n"
        "for question in QUESTIONS.values():\n"
        "    if not isinstance(question, KerasQuestion):\n"
        "        check(question.id, getattr(question, 'reference', 'a'))\n"
        "    check(question.id, None)\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'matplotlib')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_stop_that_comes_while_an_object_is_finalised_is_no_complaint(capfd):
    class NeverEnds:
        def __del__(self):
            while True:
                pass

    def loops(x, epsilon=1e-3):
        NeverEnds()  # the first stop ends its finaliser, and Python drops it there
        while True:
            pass

    result = check("normalize", loops)
    assert "5 seconds" in result.feedback
    assert "Exception ignored" not in f"{result}{capfd.readouterr().err}"
