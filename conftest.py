"""What pytest and nbval need to run the course's tests and notebooks from any folder."""

import os
from pathlib import Path

ROOT = Path(__file__).parent


def pytest_configure():
    # The kernels that nbval starts run inside notebooks/ and do not see pytest's own path.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # A maintainer's own predictions would change what the notebooks print, and the tests' would join them.
    os.environ["COURSE_PREDICTIONS"] = os.devnull


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):  # a notebook: what libraries write to stderr differs between machines
        # A verdict's HTML card shows trained numbers; its text and Markdown say the same without, and are compared.
        collector.skip_compare += ("stderr", "text/html")
