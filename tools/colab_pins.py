"""Take the versions in tests/environments/colab.txt from Colab's own list: `colab_pins.py pip-freeze.txt`."""

import re
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent.parent / "tests" / "environments" / "colab.txt"
# Colab names the build with GPU support; the tests run the same version without.
LISTED_AS = {"tensorflow-cpu": "tensorflow"}


def updated(pins, freeze):
    """The text of colab.txt with the versions that `pip freeze` printed.

    Raises ValueError where a package that is pinned is not on the list.
    """
    listed = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", freeze, flags=re.MULTILINE))
    lines = []
    for line in pins.splitlines():
        name, pinned, _ = line.partition("==")
        if pinned:
            if LISTED_AS.get(name, name) not in listed:
                raise ValueError(f"Colab's list holds no {LISTED_AS.get(name, name)}==...; is it another format?")
            line = f"{name}=={listed[LISTED_AS.get(name, name)]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PINS.write_text(updated(PINS.read_text(), Path(sys.argv[1]).read_text()))
    print(PINS.read_text())
