# Needs only make and Python 3.11 or newer (3.11 is what CI runs).
#   make test    all tests, with all their set-up          make paper    watch the pair run
#   make check   lint, types, tests, coverage = CI         make help     every target

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
MINUTES ?= 10
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: help venv test unit check lint format types cover simulate chaos paper bench soak diagrams clean

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: $(STAMP) ## make .venv and install the pinned requirements (once)

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: python3-venv)." >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

test: $(STAMP) ## run all tests
	$(PYTEST)

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

cover: $(STAMP) ## run all tests with branch coverage; hedge/core must be at 100 %
	$(PYTEST) --cov --cov-report=
	$(BIN)/coverage report
	$(BIN)/coverage report --include='hedge/core/*' --fail-under=100

check: lint types cover ## all that CI runs

RUNS ?= 500
SEED ?= 1
simulate: $(STAMP) ## RUNS schedules of faults on a virtual clock, from SEED; exit 1 on a broken promise
	$(BIN)/python -m tests.simulation --runs $(RUNS) --seed $(SEED) --workers $(WORKERS)

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

diagrams: $(STAMP) ## write the state diagrams and the configuration table into both READMEs
	$(BIN)/python -m tools.readme

clean: ## remove caches and run/, not .venv
	rm -rf run .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
