"""Take the picture of the playground, docs/static/playground.png: where no scripts run, and for the README.

Drives Debian's chromium. Run it when the page's looks change: python tools/picture_of_playground.py
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers import playground

WIDTH, HEIGHT = 980, 900


def main():
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "playground.html"
        path.write_text(playground.page(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(path.as_uri())
        page.locator(".presets button").first.click()
        page.locator(".claim", has_text="This run shows it").wait_for()
        page.locator("#playground").screenshot(path=playground.PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
