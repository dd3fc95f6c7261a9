# `make lab` for learners; `make test`, `make notebooks` and `make lint` for maintainers. The README explains them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB_ARGS ?=
TEST_ARGS ?=

# A Python of version $(1): by its name, or one that pyenv has.
python-of = $(shell python$(1) -c "import sys; print(sys.executable)" 2>/dev/null || \
	PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | grep -m 1 "^$(1)[.]") pyenv which python$(1) 2>/dev/null)
PYTHON312 ?= $(call python-of,3.12)
PYTHON313 ?= $(call python-of,3.13)
NAMES ?=

.PHONY: help lab lite test replicate budget test-colab test-binder notebooks lint lock site links

help:
	@echo "make lab          set everything up and open the course in JupyterLab"
	@echo "make test         set everything up and run all tests"
	@echo "make test-colab   run the notebooks with the versions that Colab has (needs Python 3.13)"
	@echo "make test-binder  run the notebooks as on Binder, on one core (needs Python 3.12)"
	@echo "make notebooks    build and execute the notebooks from source/ (NAMES=03_keras_sequential for one)"
	@echo "make replicate    measure the claims on other data: DATA=fashion_mnist, SEEDS_FROM=100 (docs/verdicts.md)"
	@echo "make lint         check code and notebooks with ruff"
	@echo "make site         build the site from the executed notebooks into build/site"
	@echo "make lite         build the notebooks for a browser tab into build/site/lite (PYODIDE=folder with its packages)"
	@echo "make grade-demo   grade sample submissions of the exercises with nbgrader"
	@echo "make budget       measure time and memory of everything, into docs/performance.md (half an hour)"
	@echo "make links        REPO=owner/name: write the repository's address into notebooks, README and site"
	@echo "make lock         resolve the two requirements locks again"

# Jupyter refuses to run as root, as in a container, unless it is told to. It listens on this machine only, as always.
ALLOW_ROOT := $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)

lab: $(VENV)/lab-installed
	@test -z "$(ALLOW_ROOT)" || echo "You are root: JupyterLab opens all the same, for this machine only and with a token."
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $(ALLOW_ROOT) $(LAB_ARGS) notebooks/00_start_here.ipynb

test: $(VENV)/dev-installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(TEST_ARGS)

# DATA=fashion_mnist, and as you like SEEDS_FROM=100 and SCHEDULER=tcp://address:8786
DATA ?= digits
SEEDS_FROM ?= 0
SCHEDULER ?=
replicate: $(VENV)/dev-installed
	$(BIN)/python tools/replicate.py $(DATA) --seeds-from $(SEEDS_FROM) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

budget: $(VENV)/dev-installed
	$(BIN)/python -m tests.benchmarks.budget

# The environments of other places, in build/, each made once for its lock.
test-colab: $(VENV)/dev-installed build/colab/installed
	$(BIN)/python tests/environments/run.py colab build/colab/bin/python $(NAMES)

test-binder: $(VENV)/dev-installed build/binder/installed
	$(BIN)/python tests/environments/run.py binder build/binder/bin/python $(NAMES)

build/colab/installed: PYTHON3 = $(PYTHON313)
build/colab/installed: tests/environments/colab.lock.txt
build/binder/installed: PYTHON3 = $(PYTHON312)
build/binder/installed: requirements.lock.txt
build/colab/installed build/binder/installed build/lite/installed:
	@test -n "$(PYTHON3)" || { echo "This needs Python 3.13 (Colab) or 3.12 (Binder). Where none is found, name one:" \
		"make test-colab PYTHON313=/path/to/python3.13, make test-binder PYTHON312=/path/to/python3.12"; exit 1; }
	rm -rf $(@D)
	$(PYTHON3) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# The course in a browser tab, beside the site. PYODIDE=folder with the packages of Pyodide's release.
PYODIDE ?= build/pyodide
lite: build/lite/installed
	build/lite/bin/python tools/lite.py "$(PYODIDE)"

build/lite/installed: PYTHON3 = $(PYTHON)
build/lite/installed: tests/environments/lite.lock.txt

notebooks: $(VENV)/dev-installed
	$(BIN)/python tools/build_notebooks.py $(NAMES)
	$(BIN)/python tools/readme.py

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

site: $(VENV)/dev-installed
	$(BIN)/sphinx-build -q -b html -W --keep-going -d build/site-doctrees docs build/site

links: $(VENV)/dev-installed
	$(BIN)/python tools/links.py $(REPO) $(REF)
	$(BIN)/python tools/build_notebooks.py --keep-outputs

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11.5 pyproject.toml
lock: lock-colab lock-lite
	$(LOCK) --upgrade --output-file requirements.lock.txt
	$(LOCK) --upgrade --group dev --constraint requirements.lock.txt --output-file requirements-dev.lock.txt

.PHONY: lock-lite
lock-lite: $(VENV)/dev-installed
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11.5 tests/environments/lite.txt --output-file tests/environments/lite.lock.txt
	$(BIN)/uv pip compile --quiet --upgrade --no-deps --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.12 tools/lite-wheels.txt --output-file tools/lite-wheels.lock.txt

.PHONY: lock-colab
lock-colab: $(VENV)/dev-installed
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.13 \
		--python-platform x86_64-manylinux_2_28 tests/environments/colab.txt --output-file tests/environments/colab.lock.txt

# The stamps make a second call install nothing; a changed lock makes the next call install again.
# What a maintainer installs contains all that a learner needs, so it serves `make lab` too.
$(VENV)/lab-installed: requirements.lock.txt
	@$(PYTHON) tools/make_venv.py $(VENV) requirements.lock.txt
	@touch $@

$(VENV)/dev-installed: requirements-dev.lock.txt requirements.lock.txt
	@$(PYTHON) tools/make_venv.py $(VENV) requirements-dev.lock.txt
	@touch $@ $(VENV)/lab-installed

.PHONY: grade-demo
grade-demo: $(VENV)/dev-installed
	$(BIN)/python tools/grade_demo.py
