# demo and test each work as the first command after a clone: they make .venv and install what is missing.

PYTHON ?= python3
STORE ?= store
PRODUCTS ?= 12000
NAME ?= download

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export SHELFSIGHT_STORE := $(abspath $(STORE))
export DAGSTER_HOME ?= $(SHELFSIGHT_STORE)/dagster

.PHONY: demo test ui check bench lint install always
.DEFAULT_GOAL := demo

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes some minutes"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,spark,search,text,deploy,postgres,kubernetes,s3]'
	@# An oracle of tests and a peer of benchmarks; what it requires would bring an antlr4 that Dagster breaks on.
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps lightly
	@touch $@

# With the address of a PostgreSQL set, Dagster remembers there: see docs/deploying.md.
$(DAGSTER_HOME)/dagster.yaml: $(if $(SHELFSIGHT_POSTGRES_URL),deploy/dagster.yaml always,dagster.yaml)
	@mkdir -p $(@D)
	@cp $< $@

demo: $(INSTALLED) $(DAGSTER_HOME)/dagster.yaml
	@$(BIN)/python -m demo --products $(PRODUCTS)

ui: $(INSTALLED) $(DAGSTER_HOME)/dagster.yaml
	@$(BIN)/python -m demo.ui

test: $(INSTALLED)
	@$(BIN)/pytest -q

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks.$(NAME)
