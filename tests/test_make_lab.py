"""`make lab` opens JupyterLab for whoever calls it, on this machine only and with a token."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTALLED = ROOT / ".venv" / "lab-installed"


@pytest.fixture
def lab(tmp_path):
    """A real `make lab` on a free port, without a browser: its port, its token and its log."""
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < (ROOT / "requirements.lock.txt").stat().st_mtime:
        pytest.skip("`make lab` would install first: run the tests by `make test`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, log = secrets.token_hex(8), tmp_path / "log"
    wanted = f"--no-browser --ServerApp.port={port} --ServerApp.port_retries=0 --IdentityProvider.token={token}"
    variables = os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    with log.open("w") as file:
        server = subprocess.Popen(["make", "lab", f"LAB_ARGS={wanted}"], cwd=ROOT, env=variables, stdout=file,
                                  stderr=file, start_new_session=True)  # fmt: skip
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
        yield port, token, log
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def listens_on_other_addresses(port):
    """Whether anything but this machine itself could reach the port."""
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM)}
    outside = [address for address in addresses if not address.startswith("127.") and address != "::1"]
    for address in outside:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
            return True
    return False


def test_make_lab_answers_on_this_machine_and_asks_for_its_token(lab):
    port, token, log = lab
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=10)
    refused.value.close()
    assert refused.value.code == 403
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents/notebooks?token={token}", timeout=10) as answer:
        assert b"00_start_here.ipynb" in answer.read()
    assert not listens_on_other_addresses(port)
    assert log.read_text().count("You are root:") == (os.getuid() == 0)
