# `make lab` for learners; `make test`, `make notebooks` and `make lint` for maintainers. The README explains them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB_ARGS ?=
TEST_ARGS ?=

.PHONY: help lab test notebooks lint lock site links

help:
	@echo "make lab        set everything up and open the course in JupyterLab"
	@echo "make test       set everything up and run all tests"
	@echo "make notebooks  build and execute the notebooks from source/ (NAMES=03_keras_sequential for one)"
	@echo "make lint       check code and notebooks with ruff"
	@echo "make site       build the site from the executed notebooks into build/site"
	@echo "make links      REPO=owner/name: write the repository's address into notebooks, README and site"
	@echo "make lock       resolve the two requirements locks again"

lab: $(VENV)/lab-installed
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $(LAB_ARGS) notebooks/00_start_here.ipynb

test: $(VENV)/dev-installed
	$(BIN)/python -m pytest $(TEST_ARGS)

notebooks: $(VENV)/dev-installed
	$(BIN)/python tools/build_notebooks.py $(NAMES)
	$(BIN)/python tools/claims_table.py

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
lock: $(VENV)/dev-installed
	$(LOCK) --upgrade --output-file requirements.lock.txt
	$(LOCK) --upgrade --group dev --constraint requirements.lock.txt --output-file requirements-dev.lock.txt

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
