"""Light imports, quiet TensorFlow, clear words on versions, and an environment that sets itself up."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import environment
from tests import conftest
from tools import make_venv

ROOT = Path(__file__).parent.parent


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("module", ["helpers", "helpers.data", "helpers.statistics", "helpers.batchnorm"])
def test_light_modules_load_neither_tensorflow_nor_matplotlib(module):
    code = f"import sys, {module}; print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    result = run_python(code)
    assert result.stdout.strip() == "[]", result.stderr


def test_data_is_imported_within_two_seconds():
    # Of computing: what else the machine does in the meantime does not count.
    code = "import time; t = time.process_time(); import helpers.data; print(time.process_time() - t)"
    assert float(run_python(code).stdout) < 2


def test_only_computing_counts_as_a_childs_time():
    begin = conftest.seconds_of_children()
    run_python("import time; time.sleep(1)")
    asleep = conftest.seconds_of_children() - begin
    run_python("import time\nwhile time.process_time() < 1: pass")
    assert asleep < 0.9 < conftest.seconds_of_children() - begin - asleep < 60


def answering(folder, script):
    """A stand-in for npm: a shell script."""
    path = folder / "npm"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("code", ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"])
def test_the_accessibility_checker_is_skipped_without_a_network(code, tmp_path):
    npm = answering(tmp_path, f"echo 'npm error code {code}' >&2; exit 1")
    with pytest.raises(pytest.skip.Exception, match=f"no network.*{code}") as skipped:
        conftest.fetch_axe(npm, tmp_path)
    assert "\n" not in str(skipped.value)


@pytest.mark.parametrize("words", ["npm error code E404", "npm error code EACCES", ""])
def test_the_accessibility_checker_is_not_skipped_for_other_errors(words, tmp_path):
    with pytest.raises(RuntimeError, match=f"could not fetch axe-core: {words}"):
        conftest.fetch_axe(answering(tmp_path, f"echo '{words}' >&2; exit 1"), tmp_path)


def test_the_accessibility_checker_is_taken_from_its_package(tmp_path):
    pack = "mkdir package; printf 'the checker' > package/axe.min.js; tar czf axe-core.tgz package; rm -r package"
    assert conftest.fetch_axe(answering(tmp_path, pack), tmp_path) == "the checker"


def test_tensorflow_starts_without_a_word():
    code = (
        "from helpers import environment; environment.quiet_tensorflow(); environment.quiet_tensorflow();"
        "import tensorflow as tf; tf.matmul(tf.zeros((2, 2)), tf.zeros((2, 2)))"
    )
    result = run_python(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_errors_are_still_heard_after_the_silence():
    code = "from helpers import environment; environment.quiet_tensorflow(); import os; os.write(2, b'heard')"
    assert run_python(code).stderr == "heard"


def test_a_backend_set_for_other_work_does_not_matter():
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "from helpers import environment; environment.quiet_tensorflow()\n"
        "import keras; print(keras.config.backend())"
    )
    assert run_python(code).stdout.strip() == "tensorflow"


def test_keras_already_on_another_backend_is_named(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="received the backend 'jax'"):
        environment.quiet_tensorflow()


def test_logical_cpus_are_there_and_may_be_asked_for_again():
    code = (
        "from helpers import environment\n"
        "environment.quiet_tensorflow(logical_cpus=3); environment.quiet_tensorflow(logical_cpus=3)\n"
        "environment.quiet_tensorflow()\n"
        "import tensorflow as tf; print(len(tf.config.list_logical_devices('CPU')))"
    )
    result = run_python(code)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "3", "")


def test_logical_cpus_are_too_late_once_tensorflow_has_started():
    code = (
        "from helpers import environment; environment.quiet_tensorflow()\n"
        "try:\n    environment.quiet_tensorflow(logical_cpus=4)\n"
        "except RuntimeError as error:\n    print(error)"
    )
    result = run_python(code)
    assert "started already, with 1 logical processors; asked for 4. Restart the kernel" in result.stdout, result.stderr


@pytest.mark.parametrize("number", [0, -1, 2.0, True, "4"])
def test_a_strange_number_of_logical_cpus_is_refused(number):
    with pytest.raises(ValueError, match=f"received {number!r}"):
        environment.quiet_tensorflow(logical_cpus=number)


def test_versions_are_one_line():
    line = environment.versions()
    assert "\n" not in line
    assert all(name in line for name in ("Python", "TensorFlow", "Keras", "NumPy"))
    assert "missing" not in line


@pytest.mark.parametrize(
    ("name", "number", "works"),
    [
        ("Python", "3.11.4", False),
        ("Python", "3.11.5", True),
        ("Python", "3.13.9", True),
        ("Python", "3.14.0", False),
        ("TensorFlow", "2.18.1", False),
        ("TensorFlow", "2.19.0", True),
        ("TensorFlow", "2.21.0rc1", True),
        ("TensorFlow", "2.22.0", False),
        ("TensorFlow", "missing", False),
        ("Keras", "3.9.2", False),
        ("Keras", "3.10.0", True),
        ("Keras", "3.15.1", True),
        ("Keras", "4.0", False),
    ],
)
def test_supported_versions(name, number, works):
    if works:
        environment.check_versions({name: number})
    else:
        with pytest.raises(RuntimeError, match=f"{name} .*found: {number}"):
            environment.check_versions({name: number})


def test_the_installed_versions_are_supported():
    environment.check_versions()


@pytest.mark.parametrize(
    ("version", "has_venv", "says"),
    [
        ((3, 10, 14), True, "too old"),
        ((3, 11, 4), True, "too old"),
        ((2, 7, 18), True, "too old"),
        ((3, 14, 0), True, "too new"),
        ((3, 12, 0), False, "no venv module"),
    ],
)
def test_unfit_pythons_get_one_clear_line(version, has_venv, says):
    line = make_venv.problem(version, has_venv)
    assert says in line
    assert "3.11.5 to 3.13" in line
    assert "\n" not in line


@pytest.mark.parametrize("version", [(3, 11, 5), (3, 12, 0), (3, 13, 9)])
def test_fit_pythons_pass(version):
    assert make_venv.problem(version, True) is None


def test_no_fitting_python_says_so_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_venv, "OLDEST", (3, 99, 0))
    monkeypatch.setattr(make_venv, "fitting_python", lambda candidates: None)
    assert make_venv.main([str(tmp_path / "venv"), "requirements.lock.txt"]) == 1
    assert capsys.readouterr().out.count("\n") == 1
    assert not (tmp_path / "venv").exists()


def test_a_fitting_python_is_found_among_others():
    assert make_venv.fitting_python(["no-such-python", sys.executable]) == sys.executable
    assert make_venv.fitting_python(["no-such-python"]) is None


def test_a_second_make_installs_nothing():
    # -n prints what would run. The stamps are newer than the locks once the environment stands.
    for target in ("lab", "test"):
        would_run = subprocess.run(["make", "-n", target], capture_output=True, text=True, cwd=ROOT, check=True).stdout
        assert "make_venv" not in would_run, would_run


def test_every_make_target_of_the_texts_exists():
    import re

    makefile = (ROOT / "Makefile").read_text()
    for text in ("README.md", "CONTRIBUTING.md"):
        commands = re.findall(r"(?:`|^ {4})make ([a-z-]+)", (ROOT / text).read_text(), flags=re.M)
        assert commands
        for target in commands:
            assert re.search(rf"^{target}:", makefile, flags=re.M), f"{text}: make {target}"


def test_every_file_the_readme_names_exists():
    import re

    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link
    for command_file in ("requirements.lock.txt", "environment.yml", "notebooks/00_start_here.ipynb"):
        assert command_file in (ROOT / "README.md").read_text()
        assert (ROOT / command_file).is_file()


@pytest.mark.parametrize("lock", ["requirements.lock.txt", "requirements-dev.lock.txt"])
def test_locks_have_hashes_and_no_addresses(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in requirements)
    assert text.count("    --hash=sha256:") >= len(requirements)


def test_a_learner_installs_no_test_tool():
    text = (ROOT / "requirements.lock.txt").read_text()
    assert "\npytest==" not in text
    assert "\nnbval==" not in text
    dev = (ROOT / "requirements-dev.lock.txt").read_text()
    for line in text.splitlines():
        if "==" in line:
            assert line in dev, f"{line} is not in the development lock"


# Makes Python behave as where a package is not installed: the import system finds none of that name.
WITHOUT = """
import importlib.abc, sys


class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])


sys.meta_path.insert(0, Hidden())
{code}
"""


def without(hidden, code):
    """What a Python that has not these packages prints."""
    command = [sys.executable, "-c", WITHOUT.format(hidden=hidden, code=code)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return answer.stdout + answer.stderr


@pytest.mark.parametrize(("package", "code", "what"), [
    ("tensorflow", "import helpers.training", "Training networks"),
    ("keras", "import helpers.training", "Training networks"),
    ("sklearn", "from helpers.data import load; load('digits')", "Loading the digits"),
    ("scipy", "from helpers.statistics import mean_interval; mean_interval([1.0, 2.0])", "An interval"),
    ("matplotlib", "import helpers.plots", "A figure"),
    ("ipywidgets", "import helpers.explorers", "An explorer"),
])  # fmt: skip
def test_a_missing_package_is_named_with_what_needs_it(package, code, what):
    said = without({package}, code)
    assert f"{what} needs the package {package}, which is not installed here. `make lab` installs" in said


def test_without_tensorflow_the_numpy_exercises_work_and_the_others_say_so():
    said = without({"tensorflow", "keras"}, """
from helpers.grading import check
print(check("normalize", lambda x, epsilon=1e-3: (x - x.mean(0)) / (x.var(0) + epsilon) ** 0.5).passed)
result = check("freeze", lambda model: model)
print(result, result.attempted)
""")  # fmt: skip
    assert said.startswith("True\n")
    assert "needs the package tensorflow, which is not installed here" in said
    assert "the NumPy exercises still work" in said
    assert "Please report it" not in said
    assert said.rstrip().endswith("False")


def test_seeds_count_from_zero_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("SEEDS_FROM", raising=False)
    assert list(environment.seeds(3)) == [0, 1, 2]
    assert list(environment.seeds(2, skip=8)) == [8, 9]
    monkeypatch.setenv("SEEDS_FROM", "100")
    assert list(environment.seeds(3)) == [100, 101, 102]
    assert list(environment.seeds(2, skip=8)) == [108, 109]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many"])
def test_a_first_seed_that_is_no_number_is_refused(text, monkeypatch):
    monkeypatch.setenv("SEEDS_FROM", text)
    with pytest.raises(ValueError, match=f"SEEDS_FROM must be a whole number of at least 0, received '{text}'"):
        environment.first_seed()
