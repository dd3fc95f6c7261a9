"""Make the virtual environment of the course with the first Python that fits, and install a lock into it.

    python3 tools/make_venv.py FOLDER LOCK

Runs on any Python 3, so that one which is too old gets a clear line and not a syntax error.
"""

import os
import subprocess
import sys

OLDEST, NEWEST = (3, 11, 5), (3, 13)
WORKS = "Python 3.11.5 to 3.13 works"


def problem(version, has_venv):
    """One line that says why a Python of this version cannot run the course, or None where it can."""
    number = ".".join(str(part) for part in version[:3])
    if tuple(version[:3]) < OLDEST:
        return "Python " + number + " is too old for the course: " + WORKS + "."
    if tuple(version[:2]) > NEWEST:
        return "Python " + number + " is too new for TensorFlow: " + WORKS + "."
    if not has_venv:
        return (
            "This Python "
            + number
            + " has no venv module (on Debian and Ubuntu: apt install python3-venv); "
            + WORKS
            + " with it."
        )
    return None


def has_venv():
    """Whether virtual environments with pip can be made; Debian splits ensurepip off into python3-venv."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def fitting_python(candidates):
    """The first of the commands that is a Python which fits, or None."""
    for command in candidates:
        try:
            answer = subprocess.run(
                [command, os.path.abspath(__file__), "--fits"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            continue
        if answer.returncode == 0:
            return command
    return None


def main(arguments):
    mine = problem(sys.version_info, has_venv())
    if arguments == ["--fits"]:
        return 0 if mine is None else 1
    if len(arguments) != 2:
        print(__doc__.strip())
        return 2
    folder, lock = arguments
    python = sys.executable if mine is None else fitting_python(["python3.13", "python3.12", "python3.11"])
    if python is None:
        print(mine)
        return 1
    inside = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if not os.path.exists(inside):
        subprocess.check_call([python, "-m", "venv", folder])
    print("Installing " + lock + " into " + folder + " (a few minutes the first time) ...")
    sys.stdout.flush()
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock]
    return subprocess.call(install)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
