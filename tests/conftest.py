"""What several tests share: the built site, and a real browser."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.environments import published


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site, from a copy of the course that knows its address."""
    course = published.copy_course(tmp_path_factory.mktemp("site"))
    published.stamp(course, ["00_start_here"])
    begin = seconds_of_children()
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", "docs", "build/site"]
    answer = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert seconds_of_children() - begin < 60
    return course / "build" / "site"


def seconds_of_children():
    """What the processes that this one started and waited for have computed, however many others the machine has."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium from the system's own packages, driven by Playwright; skips where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium found; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *quiet])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The text of axe-core, the accessibility checker, as npm has it; skips where there is no npm or no network."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm found, which fetches axe-core")
    return fetch_axe(npm, tmp_path_factory.mktemp("axe"))


# What npm says where nobody answers. Anything else it complains about is an error of the test.
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")


def fetch_axe(npm, folder):
    """Fetch axe-core into the folder; returns its text. Skips without a network, else raises RuntimeError."""
    command = [npm, "pack", "--loglevel=error", "--fetch-retry-mintimeout=1000", "axe-core@4.14.1"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if answer.returncode != 0:
        code = next((code for code in NO_NETWORK if code in answer.stderr), None)
        if code is None:
            raise RuntimeError(f"npm could not fetch axe-core: {answer.stderr}")
        pytest.skip(f"no network, by which npm fetches axe-core ({code})")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, filter="data")
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")
