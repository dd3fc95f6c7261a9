// Run pytest in WebAssembly, as a browser tab would: node wasm.mjs FOLDER_OF_PYODIDE COURSE FOLDER_OF_PYTEST ARGUMENTS...
const [folder, course, pytest, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
const python = await loadPyodide({ indexURL: `${folder}/`, packages: ["numpy", "pygments", "packaging"] });
python.FS.mkdirTree("/course");
python.FS.mkdirTree("/pytest");
python.mountNodeFS("/course", course);
python.mountNodeFS("/pytest", pytest);
python.globals.set("options", python.toPy(options));
const failed = await python.runPythonAsync(`
import os, sys
sys.path[:0] = ["/course", "/pytest"]
os.chdir("/course")
import pytest
int(pytest.main(["--override-ini=addopts=", "--noconftest", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--capture=sys", "-q", *options]))
`).catch((error) => console.error(error.message) ?? 1);
process.exit(failed);
