PYTHON ?= python3
VENV ?= .venv
PY = $(VENV)/bin/python

.PHONY: demo distill test check install

demo: install
	$(PY) -m spacy project run all

distill: install
	$(PY) -m spacy project run distill

test: install
	$(PY) -m pytest tests

check: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

install: $(VENV)/installed

# torch first: its build for CPU where one is at hand, and in the version that the constraints say.
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -c constraints.txt torch
	$(PY) -m pip install -c constraints.txt -e ".[dev]"
	touch $@
