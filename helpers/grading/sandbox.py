"""Run a learner's code so that nothing it does stops the notebook.

What it can not stop: a call into compiled code that never returns to Python (a huge `numpy.linalg` call), a sleeping
call where signals do not exist (Windows, a thread other than the main one), and code that ends the process itself
(`os._exit`, a crash in compiled code).
"""

import contextlib
import ctypes
import dis
import functools
import importlib
import io
import linecache
import random
import signal
import sys
import threading
import time
import types
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SECONDS = 5.0
IMPORT_SECONDS = 30.0  # for a library that an answer imports; less than a cell has when it is graded
MEMORY = 2**30  # bytes that one call may add
PRINTED = 2000  # characters kept of what was printed


@dataclass
class Outcome:
    """What became of one call: its value, or the sentence about how it failed, and what it printed and warned of."""

    value: Any = None
    error: str | None = None
    out_of_time: bool = False
    printed: str = ""
    warnings: list[str] = field(default_factory=list)


def quote(text, limit=160):
    """Text of a learner's or from their code, as one line inside a code span: shown, never interpreted."""
    text = " ".join(str(text).replace("`", "'").split())
    return f"`{text if len(text) <= limit else text[: limit - 1] + '…'}`" if text else "` `"


class _Stop(BaseException):
    """Raised inside the learner's code when its time is over."""

    def __init__(self, frame=None):
        # A bare `except:` inside the loop would swallow a single exception. So from here on every line of every frame
        # that is running raises again. Made in the thread that runs the learner's code, which is where tracing counts.
        def stop_again(frame, event, argument):
            if event == "line":
                raise _Again
            return stop_again

        frame = frame or sys._getframe(1)
        while frame is not None and frame.f_code is not _call.__code__:
            frame.f_trace = stop_again
            frame = frame.f_back
        sys.settrace(lambda *_: None)
        super().__init__()


class _Again(BaseException):
    """Raised by every further line after the time is over."""


def _call(function):
    return function()


def _runs_in(frame):
    """Whether the learner's code is running in this frame. If not, what it left is being put in order, to the end."""
    while frame is not None:
        if frame.f_code is _call.__code__:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _time_limit(seconds):
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        limit = _limit_by_signal(seconds)
    elif sys.platform == "emscripten":  # Python in a browser has neither alarms nor threads
        limit = _limit_by_monitoring(seconds)
    else:
        limit = _limit_by_thread(seconds)
    tracer = sys.gettrace()
    try:
        with limit:
            yield
    finally:
        sys.settrace(tracer)


@contextlib.contextmanager
def _limit_by_signal(seconds):
    def stop(signum, frame):
        if not _runs_in(frame):
            return
        # One ring at a time, so that this function is never interrupted by itself. It rings again a little later, in
        # case this exception is swallowed: by the learner's code or where it may not pass, such as in a destructor.
        error = _Stop(frame)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        raise error

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _limit_by_thread(seconds):
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    ident = threading.get_ident()
    learner = ctypes.c_ulong(ident)
    over, finished = threading.Lock(), threading.Event()

    def watch():
        wait = seconds
        while not finished.wait(wait):
            with over:
                if not finished.is_set() and _runs_in(sys._current_frames().get(ident)):
                    raise_in(learner, ctypes.py_object(_Stop))
            wait = 0.05

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        while True:
            try:
                with over:
                    finished.set()
                for _ in range(100):
                    pass  # one that is still on its way arrives here, and not in the notebook
                break
            except _Stop:
                continue
        watcher.join()


@contextlib.contextmanager
def _limit_by_monitoring(seconds):
    """Look at the clock at every jump and at every call of a Python function (Python 3.12 and later)."""
    monitoring, end = sys.monitoring, time.monotonic() + seconds
    (tool, *_) = (number for number in range(6) if monitoring.get_tool(number) is None)

    def look(*_):
        # It raises at every jump from now on, so that no bare `except:` keeps the loop alive.
        if time.monotonic() > end and _runs_in(sys._getframe(1)):
            raise _Again

    monitoring.use_tool_id(tool, "time limit")
    events = monitoring.events.JUMP | monitoring.events.PY_START
    for event in (monitoring.events.JUMP, monitoring.events.PY_START):
        monitoring.register_callback(tool, event, look)
    monitoring.set_events(tool, events)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


@contextlib.contextmanager
def _memory_limit():
    """A MemoryError instead of a killed kernel, where the system can count address space: on Linux.

    macOS and Windows have no /proc/self/statm to read what is in use, so there nothing limits a call.
    """
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        room = used + MEMORY
        if soft != resource.RLIM_INFINITY:
            room = min(room, soft)
        resource.setrlimit(resource.RLIMIT_AS, (room, hard))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _real_interrupt():
    """Tell the user's own interrupt (the stop button, Ctrl-C) from a KeyboardInterrupt that the code raised."""
    pressed = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def interrupt(signum, frame):
        pressed.append(True)
        if _runs_in(frame):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


@contextlib.contextmanager
def _no_exit():
    """In a notebook `exit()` asks the kernel to end after the cell; here it raises SystemExit, as in a script."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        yield
        return

    def ask_exit():
        raise SystemExit

    had = vars(shell).get("ask_exit")
    shell.ask_exit = ask_exit
    try:
        yield
    finally:
        if had is None:
            del shell.ask_exit
        else:
            shell.ask_exit = had


class _Short(io.TextIOBase):
    """Keeps the beginning of what is written, so that an endless print fills no memory."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        if len(self.text) < PRINTED:
            self.text += text[: PRINTED - len(self.text)]
        return len(text)


@contextlib.contextmanager
def _same_chance():
    """Random numbers that repeat inside, and go on outside as if nothing had been drawn."""
    # The global generators are the ones that a learner's code may draw from.
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(20150211)  # noqa: NPY002
    random.seed(20150211)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@contextlib.contextmanager
def _silent_where_it_cannot_stop():
    """Where the stop comes in the middle of a finaliser, Python drops it and complains; the next one comes soon."""
    complain = sys.unraisablehook
    sys.unraisablehook = lambda dropped: None if dropped.exc_type is _Stop else complain(dropped)
    try:
        yield
    finally:
        sys.unraisablehook = complain


def run(function, *, seconds=None, limit_memory=True):
    """Call `function()`, which calls what a learner wrote. Returns an Outcome; raises only the user's own interrupt."""
    outcome, out = Outcome(), _Short()
    with _real_interrupt() as pressed, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with (
                _same_chance(),
                np.errstate(all="warn"),
                _no_exit(),
                _silent_where_it_cannot_stop(),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
                _memory_limit() if limit_memory else contextlib.nullcontext(),
                _time_limit(SECONDS if seconds is None else seconds),
            ):
                outcome.value = _call(function)
        except BaseException as error:
            outcome.out_of_time = isinstance(error, (_Stop, _Again))
            outcome.error = _in_words(error, SECONDS if seconds is None else seconds)
    if pressed:
        raise KeyboardInterrupt
    outcome.printed = out.text.strip()
    # What a library will change one day is nothing that a learner can mend.
    caught = [warning for warning in caught if not issubclass(warning.category, DeprecationWarning)]
    outcome.warnings = list(dict.fromkeys(str(warning.message) for warning in caught))
    return outcome


def import_for(answer):
    """Import what a learner's function or class imports inside, before its own limits hold.

    A large library needs more time and space than a call may have, and TensorFlow does not survive an interrupted
    import in this process.
    """
    for name in _imports(answer):
        if name not in sys.modules:
            run(functools.partial(importlib.import_module, name), seconds=IMPORT_SECONDS, limit_memory=False)


def _imports(answer):
    """The modules named by import statements in a function or in a class's methods, and in the functions they name."""
    waiting = [(one.__code__, one.__globals__) for one in _functions(answer)]
    names, seen = {}, set()
    while waiting:
        code, space = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        names |= dict.fromkeys(one.argval for one in dis.get_instructions(code) if one.opname == "IMPORT_NAME")
        waiting += [(one, space) for one in code.co_consts if type(one) is types.CodeType]
        named = (one for name in code.co_names for one in _functions(space.get(name)))
        waiting += [(one.__code__, space) for one in named if one.__globals__ is space]
    return list(names)


def _functions(value):
    # By `type`, because an object of a learner's may fail at `isinstance`.
    if type(value) is types.FunctionType:
        return [value]
    if issubclass(type(value), type):
        return [one for one in vars(value).values() if type(one) is types.FunctionType]
    return []


def _in_words(error, seconds):
    if isinstance(error, (_Stop, _Again)):
        return (
            f"Your code was still running after {seconds:g} seconds, so it was stopped. "
            "Look for a loop that never ends, or for something slow" + _where(error) + "."
        )
    if isinstance(error, SystemExit):
        return "Your code called `exit`. Remove it" + _where(error) + ": a function ends with `return`."
    if isinstance(error, KeyboardInterrupt):
        return "Your code raised `KeyboardInterrupt` itself" + _where(error) + "."
    if isinstance(error, RecursionError):
        return "Your function calls itself without an end (`RecursionError`)" + _where(error) + "."
    if isinstance(error, MemoryError):
        return (
            "Your code asked for more memory than there is (`MemoryError`)"
            + _where(error)
            + ". The result is never larger than the arguments."
        )
    try:
        message = str(error)
    except BaseException:  # an exception class of the learner's may fail at this too
        message = ""
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"Your code stopped with {quote(named)}{_where(error)}."


def _where(error):
    """The learner's own line: the deepest one outside this package and outside installed libraries."""
    line = None
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if (
            not any(part in name for part in ("site-packages", "dist-packages", "<__array_function__"))
            and step.tb_frame.f_globals.get("__name__", "").split(".")[0] not in _NOT_THEIRS
        ):
            text = linecache.getline(name, step.tb_lineno).strip()
            line = (step.tb_lineno, text)
        step = step.tb_next
    if line is None:
        return ""
    number, text = line
    return f", in line {number} of your cell: {quote(text)}" if text else f", in line {number} of your cell"


_NOT_THEIRS = {"helpers", *sys.stdlib_module_names}
