"""What several tests share: the built site, and a real browser."""

import shutil
import subprocess
import sys
import time

import pytest

from tests.environments import published


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site, from a copy of the course that knows its address."""
    course = published.copy_course(tmp_path_factory.mktemp("site"))
    published.stamp(course, ["00_start_here"])
    begin = time.monotonic()
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", "docs", "build/site"]
    answer = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert time.monotonic() - begin < 60
    return course / "build" / "site"


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
    """The text of axe-core, the accessibility checker, as npm has it; skips where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm found, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run([npm, "pack", "--silent", "axe-core@4.14.1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, filter="data")
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")
