# Everything a newcomer needs: `make run` and `make test`. Only Python 3.11+ (with venv), make and a package index
# are required; the rest is installed into .venv from the hash-pinned lock files.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PORT   ?= 9464
SPEED  ?= 30

.PHONY: run test check bench format lock clean help

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(READY): requirements-dev.lock pyproject.toml
	@echo "Setting up $(VENV) (once; a minute or so)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(READY)

run: $(READY)    ## the daemon on an embedded AWS; no account needed (PORT=9464 SPEED=30)
	@exec $(BIN)/watcher run --sandbox --speed $(SPEED) --port $(PORT)

# Whole files to each process (their sandboxes and servers are shared by their tests), in the order they stand in.
test: $(READY)   ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(READY)  ## formatting, lint, types, layers
	$(BIN)/ruff format --check watcher tests
	$(BIN)/ruff check watcher tests
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

bench: $(READY)  ## performance and cost, as ratios within one run
	$(BIN)/python -m tests.bench

format: $(READY) ## rewrite the sources in the house style
	$(BIN)/ruff format watcher tests
	$(BIN)/ruff check --fix watcher tests

lock: $(READY)   ## resolve the dependencies anew into the three lock files
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 pyproject.toml --extra sandbox --group dev --output-file requirements-dev.lock
	printf 'hatchling\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --constraint requirements-dev.lock - --output-file requirements-build.lock

clean:           ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
