# Everything from a fresh clone with Python >= 3.10 and make; `make help` lists the targets.
#
# The environment is .venv. Each set of dependencies has a stamp that depends on pyproject.toml, so that an edit of
# the dependencies is followed by an install and nothing else is.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
JOBS   ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1); echo $$((n > 8 ? 8 : n)))

# A file's tests stay on one worker and in order, so that a failure repeats whatever JOBS is.
PYTEST := $(PY) -m pytest -q --doctest-modules -n $(if $(filter 1,$(JOBS)),0,$(JOBS)) --dist loadfile jitgrad tests

.PHONY: help demo test test-all lint bench mutate clean
.DELETE_ON_ERROR:

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## *' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/plot.stamp   ## fit a simulation to data with its generated gradient, and plot it
	$(PY) examples/hares.py

test: $(VENV)/dev.stamp   ## the tests and the doctests, the slow ones left out
	$(PYTEST) -m "not slow"

test-all: $(VENV)/dev.stamp   ## all the tests
	$(PYTEST)

lint: $(VENV)/dev.stamp   ## style, types, and which layer may import which
	$(VENV)/bin/ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/bench.stamp   ## measure against the peers; ARGS="--write name ..." as in python -m benchmarks
	$(PY) -m benchmarks $(ARGS)

mutate: $(VENV)/dev.stamp   ## perturb the derivatives one by one: each must fail a test
	$(PY) -m tests.mutate $(ARGS)

clean:           ## remove the environment and everything that was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "jitgrad needs Python 3.10 or newer: make PYTHON=/path/to/python3.x"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e '.[$*]'
	@touch $@
