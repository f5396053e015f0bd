# demo and test each work as the first command after a clone: they make .venv and install what is missing.

PYTHON ?= python3
# The demo's project; FULL=1 adds search, student, ensemble and shares of the labels.
FULL ?=
PROJECT ?= $(if $(FULL),demo-full,demo-catalog)
PRODUCTS ?= $(if $(FULL),12000,4000)
NAME ?= download
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO_INSTALLED := $(VENV)/.demo$(if $(FULL),-full)

export DAGSTER_HOME ?= $(abspath $(PROJECT))/store/dagster

# Some images and shells set it; then every process compiles all that it imports, PyTorch among it, which takes 20 s.
unexport PYTHONDONTWRITEBYTECODE

# Tools of supply chains, beside the environment that they look at. They need a package index, and pip-audit the
# database of vulnerabilities behind it, so that `make check` does without them.
TOOLS := .tools
IMAGE_EXTRAS := spark search text postgres kubernetes s3 heic

.PHONY: demo test ui check bench lint docs install lock sbom audit always
.DEFAULT_GOAL := demo

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes some minutes"
	@# --no-compile: pip would compile all 34,000 modules, of which a third is ever imported.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev,spark,search,text,postgres,kubernetes,s3]'
	@# An oracle of tests and a peer of benchmarks; what it requires would bring an antlr4 that Dagster breaks on.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt --no-deps lightly
	@touch $@

# What the demo uses, without Spark, PostgreSQL, Kubernetes and the tests' tools.
$(DEMO_INSTALLED): pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@test -e $(INSTALLED) || echo "installing into $(VENV); the first time takes some minutes"
	@test -e $(INSTALLED) || $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.$(if $(FULL),[search])'
	@touch $@

# With the address of a PostgreSQL set, Dagster remembers there: see docs/how-to/deploy.md.
$(DAGSTER_HOME)/dagster.yaml: $(if $(SHELFSIGHT_POSTGRES_URL),deploy/dagster.yaml always,dagster.yaml)
	@mkdir -p $(@D)
	@cp $< $@

demo: $(DEMO_INSTALLED) $(DAGSTER_HOME)/dagster.yaml
	@$(BIN)/python -m demo --project $(PROJECT) --products $(PRODUCTS) $(if $(FULL),--full)

ui: $(DEMO_INSTALLED) $(DAGSTER_HOME)/dagster.yaml
	@SHELFSIGHT_PROJECT=$(abspath $(PROJECT)) $(BIN)/python -m demo.ui

# Web pages have all cores to themselves: a page that is slow to load takes a click and does nothing. Only their files
# are collected for them, as all files take twenty seconds.
test: $(INSTALLED)
	@$(BIN)/pytest -q -m "not browser" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=20 --durations-min=1
	@$(BIN)/pytest -q -m browser $$(grep -rl --include='test_*.py' mark.browser tests) --durations=20 --durations-min=1

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --num-workers 2
	@$(BIN)/lint-imports
	@DAGSTER_HOME= $(BIN)/dg check defs
	@DAGSTER_HOME= $(BIN)/dg list defs > /dev/null
	@$(BIN)/codespell

docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Tests have all cores to themselves.
check: $(INSTALLED)
	@$(MAKE) --no-print-directory -j2 --output-sync lint docs
	@$(MAKE) --no-print-directory test

$(TOOLS)/.installed: deploy/tools.txt
	@test -d $(TOOLS) || $(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check -r deploy/tools.txt
	@touch $@

# The image's packages with the hashes of all their files, and without addresses: whatever index serves them.
lock: $(TOOLS)/.installed
	@$(TOOLS)/bin/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url -c constraints.txt $(addprefix --extra ,$(IMAGE_EXTRAS)) \
		pyproject.toml deploy/build-requirements.txt | sed -e ':a' -e '/\\$$/N; s/ *\\\n */ /; ta' > deploy/requirements.txt

# What the image is made of, as a CycloneDX document; needs no network.
sbom: $(TOOLS)/.installed
	@$(TOOLS)/bin/cyclonedx-py requirements deploy/requirements.txt --output-reproducible -o deploy/sbom.json

# Known vulnerabilities of the image's packages.
audit: $(TOOLS)/.installed
	@$(TOOLS)/bin/pip-audit --require-hashes --disable-pip -r deploy/requirements.txt

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks.$(NAME)
