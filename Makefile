# Two commands do everything: `make run` and `make test`. `make help` lists the others.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HARDHAT_DISABLE_TELEMETRY_PROMPT := true
HOME_DIR ?= .sanlian
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-full lint lint-python lint-contracts bench fmt abi docs clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready node_modules/.ready ## install the locked packages into .venv and node_modules

$(VENV)/.ready: requirements-dev.lock requirements-shapes.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "setting up Python packages (once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-shapes.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.ready: package-lock.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' \
	  || { echo "Node.js 20 or newer is needed" >&2; exit 1; }
	@echo "setting up Node packages (once)"
	npm ci --silent --no-fund --no-audit
	@touch $@

run: setup ## start everything with the example city loaded; Ctrl-C ends it
	@exec $(BIN)/python -m example_city run --home $(HOME_DIR)

demo: setup ## the whole story in under a minute, on an instance of its own
	@exec $(BIN)/python -m example_city demo

lint: setup ## style, types, layers, contracts, freshness of generated files
	@$(MAKE) --no-print-directory --output-sync=target --jobs=2 lint-python lint-contracts

lint-contracts:
	npm run --silent lint
	npm run --silent abi:check

lint-python:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/act_types.py --check
	$(BIN)/python scripts/error_codes.py --check
	$(BIN)/python scripts/sm3_solidity.py --check
	$(BIN)/python scripts/sm2_comb.py --check

test: lint ## everything that must hold, in under 15 minutes on 2 cores
	npx hardhat test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not full"
	@echo "make test: all passed"

test-full: lint ## the long ones too, in under an hour
	npx hardhat test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
	@echo "make test-full: all passed"

bench: setup ## measure (quick); for the full runs see docs/operation.md
	@for name in $$(ls bench | sed -n 's/^\([a-z][a-z0-9]*\)\.py$$/\1/p' | grep -vx report); do \
	  $(BIN)/python -m bench.$$name --quick || exit 1; done

fmt: setup ## format the Python sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

abi: setup ## compile the contracts and write the files that Python reads
	$(BIN)/python scripts/act_types.py
	$(BIN)/python scripts/sm3_solidity.py
	$(BIN)/python scripts/sm2_comb.py
	npm run --silent abi

docs: setup ## write the generated parts of docs/
	$(BIN)/python scripts/act_types.py
	$(BIN)/python scripts/error_codes.py

clean: ## delete what setup and builds made; keeps .sanlian
	rm -rf $(VENV) node_modules cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
