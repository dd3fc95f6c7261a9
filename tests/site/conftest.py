"""What the tests of the playground share: its engine under node."""

import json
import shutil
import subprocess

import pytest

from helpers import playground
from tests.environments.published import ROOT


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """run(job, **input): what `engine.js` makes of it; skips where there is no node."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node found, which runs the playground's engine; on Debian: apt-get install nodejs")
    data = tmp_path_factory.mktemp("playground") / "digits.js"
    data.write_text(playground.digits_script(), encoding="ascii")
    files = [*(playground.SCRIPTS / f"{name}.js" for name in playground.ENGINE), data]

    def run(job, **content):
        command = [path, str(ROOT / "tests" / "site" / "engine.js"), job, *map(str, files)]
        answer = subprocess.run(command, input=json.dumps(content), capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return run
