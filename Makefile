PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check bench lock format clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(STAMP) ## the virtual environment with the locked dependencies

$(STAMP): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup-dev: $(DEV_STAMP)

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: setup ## everything on port 3000: database, migrations, API, worker, fake platforms on 3001
	@exec $(BIN)/hookline run

test: setup-dev ## the whole test suite
	@$(BIN)/python -m pytest -n 4 --dist loadgroup

check: setup-dev ## format, lint, types, floors, docs, and the tests that need no database
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 4 tests/docs tests/domain tests/security tests/providers tests/simulator

bench: setup-dev ## the benchmarks, one table (ROWS=… some of them, or all; PEERS=all with those from npm)
	@$(BIN)/python -m bench $(if $(filter all,$(PEERS)),--all-peers) $(ROWS)

format: setup-dev ## put the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## pin the dependencies anew, with hashes
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check uv
	@$(LOCK) pyproject.toml --extra build --extra kms -o requirements.txt
	@$(LOCK) pyproject.toml --extra build --extra kms --extra dev --extra bench -o requirements-dev.txt

clean: ## remove what make and the program made here, data included
	rm -rf $(VENV) .hookline .ruff_cache .mypy_cache .pytest_cache .import_linter_cache
