# make course, make test, make lab: everything else is listed by make help
PYTHON ?= python3
PROFILE ?= laptop
BIN := .venv/bin

.PHONY: help install course test lint notebooks lab bench clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/installed  ## make .venv with the pinned packages

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

course: install  ## run the five notebooks, all networks from scratch: make course PROFILE=smoke|laptop|gpu
	$(BIN)/kits-msan course --profile $(PROFILE) --out runs/$(PROFILE) --overwrite

test: lint install  ## ruff, mypy, pytest, nbval
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbval notebooks -p no:cacheprovider

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: install  ## open the notebooks in JupyterLab, on this machine only
	$(BIN)/jupyter lab --ip=127.0.0.1 notebooks

clean:  ## remove the environment and all runs
	rm -rf .venv runs
