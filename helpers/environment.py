"""The machine the course runs on: quiet TensorFlow, the versions in one line, a clear word on unsupported ones."""

import contextlib
import os
import platform
import sys

# The range the course is tested on: first version, and the first version that is beyond it.
SUPPORTED = {
    "Python": ("3.11.5", "3.14"),
    "TensorFlow": ("2.19", "2.22"),
    "Keras": ("3.10", "3.16"),
}
IN_BROWSER = sys.platform == "emscripten"  # Python in a browser tab, as in JupyterLite


def quiet_tensorflow(logical_cpus=None):
    """Import TensorFlow and Keras without the log lines that they write to the process's standard error.

    TensorFlow writes to file descriptor 2 on import and again when it first looks at the devices, at every log level;
    the descriptor is silenced around these two moments and only there. Messages of errors and warnings in Python are
    not touched. Calling it again costs nothing.

    logical_cpus: into how many devices, "CPU:0", "CPU:1" ..., TensorFlow splits the processor, to try out on one
    machine what runs on several. TensorFlow fixes its devices when it starts; None leaves them as they are.

    Raises RuntimeError where Keras already runs on another backend than TensorFlow, or where TensorFlow has started
    already with another number of logical processors than asked for; ValueError where that is no positive integer.
    """
    if logical_cpus is not None and not (type(logical_cpus) is int and logical_cpus >= 1):
        raise ValueError(f"logical_cpus must be a positive integer or None, received {logical_cpus!r}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # too late where Keras is imported already; then the check below speaks
    with needed_for("Training networks"), _silent_file_descriptor(2):
        import tensorflow as tf

        # Networks as small as the course's lose more by waking threads for every operation than they gain by sharing
        # it; `train_many` uses the cores by training several seeds side by side. Too late where TensorFlow has started.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
        if logical_cpus is not None:
            _split_processor(tf, logical_cpus)
        tf.zeros(1)  # the first operation probes the devices
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"The course needs Keras on TensorFlow, received the backend {keras.backend.backend()!r}. "
            "Restart the kernel and run the notebook from its first cell."
        )


@contextlib.contextmanager
def without_tensorflow_warnings():
    """Inside, TensorFlow's Python logger is silent below errors: it warns of what is the plan here, such as tracing."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def needed_for(what):
    """Inside, a package that is not installed ends in one sentence that names it and what needs it.

    what: in words, the beginning of the sentence, such as "Training networks". Raises ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = (
            "which does not run in a browser tab. From here on open this notebook on Colab or Binder, or install the "
            "course with `make lab`."
            if IN_BROWSER
            else "which is not installed here. `make lab` installs all that the course needs."
        )
        raise ModuleNotFoundError(f"{what} needs the package {error.name}, {remedy}", name=error.name) from error


def _split_processor(tf, parts):
    processor = tf.config.list_physical_devices("CPU")[0]
    with contextlib.suppress(RuntimeError):  # TensorFlow has started: its devices stay, and are counted below
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * parts)
    found = len(tf.config.list_logical_devices("CPU"))
    if found != parts:
        raise RuntimeError(
            f"TensorFlow has started already, with {found} logical processors; asked for {parts}. "
            "Restart the kernel and ask for them before anything else runs TensorFlow."
        )


def first_seed():
    """The number from which all seeds of the course count: 0, or what the environment variable SEEDS_FROM says.

    Raises ValueError where that is no whole number of at least 0.
    """
    text = os.environ.get("SEEDS_FROM", "0")
    if not text.isdecimal():
        raise ValueError(f"SEEDS_FROM must be a whole number of at least 0, received {text!r}.")
    return int(text)


def seeds(count, *, skip=0):
    """`count` seeds of the course, a range from `first_seed()` on; skip: how many others have been used before."""
    return range(first_seed() + skip, first_seed() + skip + count)


def versions():
    """The versions of what the course stands on, as one line of text. Imports none of it."""
    found = {"Python": platform.python_version()}
    names = {"TensorFlow": ("tensorflow", "tensorflow-cpu"), "Keras": ("keras",), "NumPy": ("numpy",)}
    found |= {name: _installed(packages) for name, packages in names.items()}
    return " · ".join(f"{name} {number}" for name, number in found.items())


def check_versions(found=None):
    """Raise RuntimeError with one clear line where Python, TensorFlow or Keras is missing or outside the tested range.

    In a browser tab, which has neither TensorFlow nor Keras, they may be missing.

    found: {name: version} to check in place of what is installed.
    """
    if found is None:
        found = {
            "Python": platform.python_version(),
            "TensorFlow": _installed(("tensorflow", "tensorflow-cpu")),
            "Keras": _installed(("keras",)),
        }
    for name, number in found.items():
        if IN_BROWSER and number == "missing":
            continue  # TensorFlow and Keras do not exist there; what needs them says so
        first, beyond = SUPPORTED[name]
        if number == "missing" or not _numbers(first) <= _numbers(number) < _numbers(beyond):
            raise RuntimeError(f"The course is tested with {name} {first} up to, but not including, {beyond}; "
                               f"found: {number}. The README says how to set it up.")  # fmt: skip


def _installed(packages):
    from importlib.metadata import PackageNotFoundError, version

    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            return version(package)
    return "missing"


def _numbers(number):
    """'3.11.5' and '2.21.0rc1' as tuples of integers, to be compared."""
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in number.split(".")[:3])


@contextlib.contextmanager
def _silent_file_descriptor(number):
    sys.stderr.flush()
    saved = os.dup(number)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), number)
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)
