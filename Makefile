# These commands set up everything themselves; they need Python 3.11 or later, make, and PyPI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench

.DEFAULT_GOAL := help
.PHONY: help demo test check bench lint docs clean

help: ## show this help
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: $(VENV)/ready ## watch the actions run against a local Zoom, then try them in a browser; no account needed
	@$(BIN)/python -m zoom_connector demo

test: $(VENV)/ready-test ## run all tests, the linters and the type checker
	$(BIN)/python -m zoom_connector check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/ready ## check the definitions
	@$(BIN)/python -m zoom_connector check

# AGAINST=COMMIT compares this tree with an older commit and needs no rivals
bench: $(BENCH)/$(if $(AGAINST),plain/)ready ## measure it against its rivals, or against AGAINST=COMMIT; QUICK=1 is shorter, ONLY=starts runs one group
	@$(BENCH)/plain/bin/python -m benchmarks.$(if $(AGAINST),against $(AGAINST),suite) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

docs: $(VENV)/ready ## regenerate the generated parts of the documentation
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/make_language.py

clean: ## remove everything that these commands create
	rm -rf $(VENV) $(BENCH) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is required, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready: $(VENV)/bin/python pyproject.toml
	@echo "installing …" && $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[service]'
	@touch $@

$(VENV)/ready-test: $(VENV)/bin/python pyproject.toml
	@echo "installing …" && $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint]'
	@touch $@ $(VENV)/ready

# two environments: the connector as users install it, and the connector together with its rivals
$(BENCH)/plain/ready: $(VENV)/bin/python pyproject.toml
	@echo "installing …" && $(BIN)/python -m venv $(BENCH)/plain
	@$(BENCH)/plain/bin/python -m pip install --quiet --disable-pip-version-check -e '.[service]'
	@touch $@

$(BENCH)/ready: $(BENCH)/plain/ready benchmarks/requirements.txt
	@echo "installing its rivals; this takes a minute or two …"
	@$(BIN)/python -m venv $(BENCH)/rivals
	@$(BENCH)/rivals/bin/python -m pip install --quiet --disable-pip-version-check -e . -r benchmarks/requirements.txt
	@touch $@
