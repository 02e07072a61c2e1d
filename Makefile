# Set-up needs python3 (3.11 or 3.12), pip and make; uv is brought into .uv/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
UV := .uv/bin/uv
RUN := .venv/bin/
# A build takes niceness 10 (it gives way to people); beside tests that do not, it would starve.
PYTEST := nice -n 10 .venv/bin/pytest
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
export UV_COMPILE_BYTECODE := 1

.PHONY: help setup setup-bi demo up down status bi test test-journeys test-bi soak check format bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 12) else "Huiyin needs Python 3.11 or 3.12; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	@echo "bringing uv $(UV_VERSION) ..." >&2
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

.venv/.ready: pyproject.toml uv.lock | $(UV)
	@echo "installing the locked packages into .venv ..." >&2
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --frozen --quiet --python "$(PYTHON)"
	@touch $@

setup: .venv/.ready ## Install everything into .venv

.venv-bi/.ready: pyproject.toml uv.lock | $(UV)
	@echo "installing the locked packages of the analysts' tool into .venv-bi ..." >&2
	@UV_PROJECT_ENVIRONMENT=.venv-bi $(UV) sync --frozen --quiet --no-default-groups --group bi --no-install-project --python "$(PYTHON)"
	@touch $@

setup-bi: .venv-bi/.ready ## Install the analysts' tool into .venv-bi

demo: setup ## Simulate a province, run the whole thread, print the story
	@$(RUN)huiyin demo

up: setup ## Start all processes of the home and print their addresses
	@$(RUN)huiyin up

down: ## Stop them; nothing is left
	@if [ -x $(RUN)huiyin ]; then $(RUN)huiyin down; fi

status: setup ## Show how each process is
	@$(RUN)huiyin status

bi: setup setup-bi ## Build the analysts' dashboards in the home
	@$(RUN)huiyin superset build

test: setup ## Run the tests of the parts
	@$(PYTEST) -n 3 --dist loadgroup -m "not journey and not superset and not browser"

test-journeys: setup ## Run the tests of the product as a whole
	@$(PYTEST) -n 3 --dist loadgroup -m "journey and not superset and not browser"

test-bi: setup setup-bi ## Run the tests of the dashboards and of the pages in a browser
	@$(PYTEST) -m "superset or browser"

soak: setup ## Kill and fuzz long: 50 kills of files, tables, service each; 2000 examples each
	@HUIYIN_TEST_KILLS=$${HUIYIN_TEST_KILLS:-50} HUIYIN_TEST_EXAMPLES=$${HUIYIN_TEST_EXAMPLES:-2000} $(PYTEST) -m soak --timeout 7200

check: setup ## Format, lint, types, imports, tests
	@$(RUN)ruff format --check .
	@$(RUN)ruff check .
	@$(RUN)mypy
	@$(RUN)lint-imports
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-journeys

format: setup ## Format the code
	@$(RUN)ruff format .
	@$(RUN)ruff check --fix .

bench: setup ## Measure landing, build, publish and queries at scale 1 and 5
	@$(RUN)python -m tests.benchmarks.thread

clean: down ## Stop the processes; remove environments, caches and the home var/
	@rm -rf .venv .venv-bi .uv var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
