# kubedossier: `make demo` shows it, `make test` proves it. Both set up what they need by themselves (.ci/setup).

SHELL := /bin/sh
BIN := .venv/bin
SETUP_NEEDS := pyproject.toml .ci/setup
# Tests run on several cores; `make test PYTEST_ARGS="-n 0 -k ledger"` is for one of them at a time.
PYTEST_ARGS ?= -n auto --maxprocesses 4
# Where `make demo` puts the archive it makes.
DEMO ?= dossier

# Homebrew's libraries are not where macOS looks for them; elsewhere this is empty.
ifeq ($(shell uname),Darwin)
NATIVE := DYLD_FALLBACK_LIBRARY_PATH="$$(brew --prefix 2>/dev/null)/lib:/usr/lib"
endif
RUN := $(NATIVE) $(BIN)

.DEFAULT_GOAL := help
.PHONY: help demo notebook test test-faults bench lint format types imports check wheel lock clean

help: ## Show this list
	@echo "make ..."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/.ready-run ## Show the whole way on this machine: events in, answers and a PDF out (into ./dossier)
	@$(RUN)/kubedossier demo "$(DEMO)"

notebook: .venv/.ready-notebook ## Open the notebooks in Jupyter Lab, ready to run on ./dossier (made by the demo if absent)
	@test -e "$(DEMO)" || $(RUN)/kubedossier demo "$(DEMO)"
	@KUBEDOSSIER_ARCHIVE="$(abspath $(DEMO))" $(RUN)/python -m jupyterlab notebooks

test: .venv/.ready-dev ## Run the tests
	@$(RUN)/python -m pytest $(PYTEST_ARGS)

test-faults: .venv/.ready-dev ## Let every single call to the disk fail and the Console in many more ways (long)
	@KUBEDOSSIER_FAULTS=all $(RUN)/python -m pytest $(PYTEST_ARGS) tests/faults \
		tests/analytics/console/test_pull_any_trouble.py

bench: .venv/.ready-dev ## Measure beside tools that everybody knows (BENCH="--events 200000 import" for a part of it)
	@$(RUN)/python tests/benchmarks/bench.py $(BENCH)

lint: .venv/.ready-dev ## Look for mistakes and for unformatted code
	@$(BIN)/ruff check . && wrong=0 || wrong=1; $(BIN)/ruff format --check . && exit $$wrong

format: .venv/.ready-dev ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: .venv/.ready-dev ## Check the types (mypy --strict)
	@$(BIN)/mypy

imports: .venv/.ready-dev ## Check that imports go down the floors of the house only
	@$(BIN)/lint-imports

check: lint types imports test ## All of the above

wheel: .venv/.ready-dev ## Build the wheel and the source distribution into dist/
	@rm -rf dist
	@$(BIN)/hatchling build

# The locks name versions and hashes for Python 3.11 to 3.14 on Linux and macOS, and no registry.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --quiet --custom-compile-command "make lock"

lock: ## Write the three requirements files anew (needs uv; UPGRADE=--upgrade takes newer versions)
	@$(LOCK) $(UPGRADE) --group build -o requirements.txt
	@$(LOCK) $(UPGRADE) --group dev -c requirements.txt -o requirements-dev.txt
	@$(LOCK) $(UPGRADE) --group build --extra notebook -c requirements-dev.txt -o requirements-notebook.txt

clean: ## Remove what was built and the virtual environment; archives stay
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find src analytics reports queries tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready-run: requirements.txt $(SETUP_NEEDS)
	@PYTHON="$(PYTHON)" .ci/setup run

.venv/.ready-dev: requirements-dev.txt $(SETUP_NEEDS)
	@PYTHON="$(PYTHON)" .ci/setup dev

.venv/.ready-notebook: requirements-notebook.txt $(SETUP_NEEDS)
	@PYTHON="$(PYTHON)" .ci/setup notebook
