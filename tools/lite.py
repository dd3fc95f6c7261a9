"""Build the course for a browser tab, with JupyterLite, beside the site: tools/lite.py FOLDER

FOLDER holds the packages of Pyodide 0.27.7, as its release on GitHub has them. Its core comes from npm. Every file is
compared with the sha256 in Pyodide's own list before it is used. `make lite PYODIDE=FOLDER` makes the environment.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
WORK, TARGET = ROOT / "build" / "lite-source", ROOT / "build" / "site" / "lite"
VERSION = "0.27.7"
# Of pyodide-lock.json, which lists the sha256 of every package
LIST_SHA256 = "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c"
CORE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
AT_START = ("ipython", "ipywidgets", "jedi", "matplotlib", "numpy", "tqdm")
WHEN_IMPORTED = ("scikit-learn", "scipy", "micropip", "sqlite3", "ssl")
PURE = {  # wheels from PyPI, by tools/lite-wheels.lock.txt: what each needs
    "comm": ("traitlets",),
    "ipywidgets": ("comm", "ipython", "jupyterlab-widgets", "traitlets"),
    "jupyterlab-widgets": (),
    "tqdm": (),
}
# What a notebook needs that only the helpers import: a cell that names it makes the kernel fetch it.
NOTEBOOKS = {
    "00_start_here": "import scipy, sklearn",
    "02_batchnorm_from_scratch": "import scipy, sklearn",
    "07_exercises": "",
    "10_exercises_and_clinic": "",
}
START = Path(__file__).with_name("lite_start.md")
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "Batch Normalization, measured",
        "exposeAppInBrowser": True,
        "litePluginSettings": {
            "@jupyterlite/pyodide-kernel-extension:kernel": {"loadPyodideOptions": {"packages": list(AT_START)}}
        },
    },
}


def main(packages):
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    pyodide, contents = WORK / "static" / "pyodide", WORK / "contents"  # where JupyterLite looks for it
    pyodide.mkdir(parents=True)
    fetch_core(pyodide)
    add_packages(pyodide, packages, fetch_wheels())
    copy_course(contents)
    (WORK / "jupyter-lite.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--apps=lab", f"--contents={contents}"]
    command += [f"--lite-dir={WORK}", f"--output-dir={TARGET}", "--no-unused-shared-packages"]
    subprocess.run(command, check=True, cwd=WORK)


def fetch_core(target):
    """Pyodide's interpreter and standard library, out of its package on npm."""
    packed = WORK / f"pyodide-{VERSION}.tgz"
    subprocess.run(["npm", "pack", "--silent", f"pyodide@{VERSION}"], check=True, cwd=WORK, capture_output=True)
    with tarfile.open(packed) as archive:
        for name in CORE:
            (target / name).write_bytes(archive.extractfile(f"package/{name}").read())
    compare(target / "pyodide-lock.json", LIST_SHA256)


def fetch_wheels():
    """The folder with the wheels of `PURE`, each with the hash in its lock."""
    folder = WORK / "wheels"
    lock = Path(__file__).with_name("lite-wheels.lock.txt")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--require-hashes", f"--requirement={lock}", f"--dest={folder}"], check=True)
    return folder


def add_packages(target, packages, wheels):
    """Copy what the course needs into `target` and let Pyodide's list name just that."""
    listed = json.loads((target / "pyodide-lock.json").read_text(encoding="utf-8"))
    for name, needs in PURE.items():
        (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
        listed["packages"][name] = {
            "name": name, "version": wheel.name.split("-")[1], "file_name": wheel.name, "install_dir": "site",
            "sha256": sha256(wheel), "package_type": "package", "imports": [name.replace("-", "_")],
            "depends": list(needs), "unvendored_tests": False,
        }  # fmt: skip
        shutil.copy(wheel, target)
    needed = closure([*AT_START, *WHEN_IMPORTED], listed["packages"])
    for name in needed - set(PURE):
        entry = listed["packages"][name]
        path = Path(packages) / entry["file_name"]
        compare(path, entry["sha256"])
        shutil.copy(path, target)
    listed["packages"] = {name: listed["packages"][name] for name in sorted(needed)}
    (target / "pyodide-lock.json").write_text(json.dumps(listed), encoding="utf-8")


def closure(names, listed):
    """The names in the list of these packages and of all that they need."""
    keys = {normalized(name): name for name in listed}
    found, waiting = set(), list(names)
    while waiting:
        name = keys[normalized(waiting.pop())]
        if name not in found:
            found.add(name)
            waiting += listed[name]["depends"]
    return found


def normalized(name):
    """The name of a package as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compare(path, expected):
    """Raises ValueError where the file is missing or another than Pyodide's list says."""
    received = sha256(path) if path.is_file() else "no such file"
    if received != expected:
        raise ValueError(f"{path} must be that of Pyodide {VERSION}, sha256 {expected}; received {received}.")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_course(contents):
    """The notebooks that make sense without TensorFlow, and what they import."""
    (contents / "notebooks").mkdir(parents=True)
    shutil.copy(START, contents / "START.md")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("helpers", "docs/results", "docs/static/playground"):
        shutil.copytree(ROOT / folder, contents / folder, ignore=ignore)
    shutil.copy(ROOT / "docs" / "static" / "playground.png", contents / "docs" / "static")
    for name, imports in NOTEBOOKS.items():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        (setup,) = (cell for cell in notebook.cells if "setup" in cell.metadata.get("tags", []))
        setup.source += f"\n{imports}  # fetched here, because only the helpers import them" if imports else ""
        # With its strings in one piece: JupyterLite's table of contents stops at lists of lines.
        text = json.dumps(notebook, ensure_ascii=False, indent=1)
        (contents / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="with the packages of Pyodide")
    try:
        main(parser.parse_args().folder)
    except ValueError as error:
        sys.exit(str(error))
