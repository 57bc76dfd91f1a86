# Needs only make and Python 3.11 or newer (3.11 is what CI runs).
#   make test    all tests, with all their set-up          make paper    watch the pair run
#   make check   lint, types, tests, coverage = CI         make accept   limits and long machines
#   make help    every target

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.dev-installed
PRODUCT := hedge paper bench tools $(wildcard *.py)
WORKERS ?= 2
# Tests of whole processes wait more than they compute: two of them keep one core busy.
TEST_WORKERS ?= $(shell echo $$((2 * $(WORKERS))))
MINUTES ?= 10
# Some hundred processes are started by the tests: none is to compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv test unit check lint format types cover accept simulate chaos outside paper bench soak diagrams clean

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: $(STAMP) ## make .venv and install the pinned requirements (once)

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: python3-venv)." >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

test: $(STAMP) ## run all tests, and name the 20 slowest
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal --durations=20

unit: $(STAMP) ## run the fast tests only
	$(BIN)/python -m pytest tests/unit

lint: $(STAMP) ## ruff, and whether everything is formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(STAMP) ## mypy --strict on the product
	$(BIN)/mypy $(PRODUCT)

cover: $(STAMP) ## branch coverage of hedge/core by its own unit tests, which must be 100 %
	HYPOTHESIS_PROFILE=brief $(BIN)/python -m pytest tests/unit/core -n $(WORKERS) -q --cov

check: lint types test cover ## all that CI runs

accept: RUNS = 10000
RUNS ?= 500
SEED ?= 1
simulate: $(STAMP) ## RUNS schedules of faults on a virtual clock, from SEED; exit 1 on a broken promise
	$(BIN)/python -m tests.simulation --runs $(RUNS) --seed $(SEED) --workers $(WORKERS)

accept: $(STAMP) ## limits of time and memory, and the long machines (RUNS MINUTES SEED); ACCEPT="import soak" chooses
	$(BIN)/python -m tests.accept --runs $(RUNS) --minutes $(MINUTES) --seed $(SEED) $(ACCEPT)

paper: $(STAMP) ## the pair on the paper exchange, until Ctrl-C
	./start_hedge.sh --paper

bench: $(STAMP) ## measure the pair's speed; BENCH="--fills 100 --parts floor,latency" chooses
	$(BIN)/python -m bench $(BENCH)

soak: $(STAMP) ## the pair under a busy market for MINUTES (10): no growth, net 0
	$(BIN)/python -m bench.soak --minutes $(MINUTES) $(SOAK)

chaos: MINUTES = 5
FAULTS ?= all
chaos: $(STAMP) ## break everything around two pairs and audit them (MINUTES=5 SEED=1 FAULTS=all)
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) --faults $(FAULTS)

outside: $(STAMP) ## the program as its user meets it, in fresh copies (OUTSIDE="ends.2a --full" chooses; --list)
	$(BIN)/python -m tests.outside $(OUTSIDE)

diagrams: $(STAMP) ## write the state diagrams and the configuration table into both READMEs
	$(BIN)/python -m tools.readme

clean: ## remove caches and run/, not .venv
	rm -rf run .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
