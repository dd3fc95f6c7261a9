"""The course as GitHub would hold it: a copy of the working tree, stamped, in a bare repository that git is led to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "ada/batchnorm-course"


def copy_course(folder):
    """Copy every file that git tracks or would add into a new folder; returns it.

    Raises CalledProcessError outside a git checkout: what belongs to the course is known to git alone.
    """
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():  # one that is deleted but not committed is still listed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def stamp(course, names=()):
    """What `make links REPO=...` runs, in a copy of the course; names: these notebooks alone."""
    for command in (["tools/links.py", REPOSITORY], ["tools/build_notebooks.py", "--keep-outputs", *names]):
        subprocess.run([sys.executable, *command], cwd=course, check=True, stdout=subprocess.DEVNULL)


def publish(course, bare):
    """Commit the folder `course` to a new bare repository with the branch main.

    Returns the environment variables with which git finds it under GitHub's address.
    """
    nobody = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*nobody, "commit", "--quiet", "--message=The course"],
        ["clone", "--quiet", "--bare", ".", str(bare)],
    ):
        subprocess.run(["git", *command], cwd=course, check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{Path(bare).as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{REPOSITORY}.git",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
