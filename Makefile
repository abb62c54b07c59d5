# Everything a newcomer needs. Each target sets up what it needs the first time.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help demo test test-python test-slow test-storm bench bench-quick corpus check run format docs site test-container image build sbom licences manifests pictures lock clean

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' worker/__init__.py)
IMAGE := camunda-email-worker
PYTHON_IMAGE ?= $(shell sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
HELM ?= helm
DIST := dist
# The packages of the image, without those for development.
RUNTIME := build/runtime
# For tests on another Python than that of .venv.
OTHER_PYTHON = build/$(notdir $(PYTHON))
# Licences that only require users to keep their text, and certifi's, which covers only its own file.
LICENCES := MIT;Apache;BSD;ISC;PSF;Python Software Foundation;Mozilla Public License 2.0

# Runs pip, counts its packages in one line, and returns its exit code: with --quiet pip shows no progress, without
# it four lines per package.
counted = { { $(1); echo $$? >&3; } | awk -v all="$$(grep -c == locks/dev.txt)" -v live="$$(test -t 2 && echo yes)" '\
	live && /^Collecting/ { printf "\r  package %d of about %d", ++count, all; fflush() } \
	live && /^Installing/ { printf "\r  putting %d packages in place ...", count; fflush() } \
	END { if (live) print "" }' >&2; } 3>&1 | { read -r code; exit "$$code"; }

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/ready ## Let a process on Camunda's engine send an email, and show it
	@$(BIN)/email-worker demo

test: .venv/ready ## Run the everyday tests
	@$(BIN)/pytest -n 4 --dist loadgroup -m "not slow and not container"

test-python: $(OTHER_PYTHON)/ready ## Run the everyday tests on another Python: PYTHON=…
	@$(OTHER_PYTHON)/bin/pytest -n 4 --dist loadgroup -m "not slow and not container"

test-slow: .venv/ready ## Run the tests that take long: faults, large folders, Modeler, docs, release
	@$(BIN)/pytest -n 4 --dist loadgroup -m "slow and not container" --ignore=tests/storm

test-storm: .venv/ready ## Run the storms: thousands of emails while servers, engine and workers fail
	@$(BIN)/pytest -s tests/storm

test-container: .venv/ready ## Run the tests with containers; needs Docker
	@PYTHON_IMAGE=$(PYTHON_IMAGE) $(BIN)/pytest -m container tests/container

bench: .venv/bench ## Compare with a plain worker, under 10 minutes, or ONLY=load; writes docs/performance.md
	@PYTHONPATH=tests $(BIN)/python -m bench --only "$(ONLY)"

bench-quick: .venv/ready ## Check the limits on commands, octets and memory, within a minute
	@PYTHONPATH=tests $(BIN)/python -m bench --quick --only "$(ONLY)"

corpus: .venv/ready ## Read a folder of emails: FOLDER=…
	@$(BIN)/python tests/corpus.py "$(FOLDER)"

check: .venv/ready ## Check format, lint, types and the import table
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/unit/test_architecture.py tests/unit/test_foreign_names.py

run: .venv/ready ## Serve jobs, with the settings of the environment and .env
	@$(BIN)/email-worker run

format: .venv/ready ## Format the code and fix what can be fixed automatically
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/ready ## Update the generated tables of the documentation
	@$(BIN)/python docs/generate.py

site: .venv/ready ## Build the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

image: ## Build the container image
	@docker build --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD) --tag $(IMAGE):$(VERSION) --tag $(IMAGE):latest .

build: .venv/ready sbom licences ## Build sdist, wheel, list of parts and licences into dist/
	@$(BIN)/hatchling build --directory $(DIST)

sbom: $(RUNTIME)/ready ## List the parts of an installation (CycloneDX) in dist/
	@mkdir -p $(DIST)
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml >$(RUNTIME)/pyproject.toml
	@$(BIN)/cyclonedx-py environment --pyproject $(RUNTIME)/pyproject.toml --output-reproducible \
		--output-file $(DIST)/sbom.cdx.json $(RUNTIME)/bin/python

licences: $(RUNTIME)/ready ## List the licences of the parts in dist/, and refuse others
	@mkdir -p $(DIST)
	@$(BIN)/pip-licenses --python $(RUNTIME)/bin/python --from=mixed --format=markdown --with-urls \
		--partial-match --allow-only "$(LICENCES)" --output-file $(DIST)/licences.md

$(OTHER_PYTHON)/ready: locks/dev.txt pyproject.toml | .venv/ready
	@$(PYTHON) -m venv --without-pip $(OTHER_PYTHON)
	@$(BIN)/pip --python $(OTHER_PYTHON)/bin/python install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@$(BIN)/pip --python $(OTHER_PYTHON)/bin/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(RUNTIME)/ready: locks/runtime.txt | .venv/ready
	@$(PYTHON) -m venv --without-pip $(RUNTIME)
	@$(BIN)/pip --python $(RUNTIME)/bin/python install --quiet --no-compile \
		--disable-pip-version-check --require-hashes -r locks/runtime.txt
	@touch $@

manifests: ## Write deploy/kubernetes from the Helm chart (needs helm)
	@rm -rf build/manifests
	@$(HELM) template email-worker deploy/helm --output-dir build/manifests >/dev/null
	@cp build/manifests/camunda-email-worker/templates/*.yaml deploy/kubernetes/

pictures: ## Take the pictures of Modeler's properties panel again (needs Node and Chromium)
	@cd tests/modeler && { test -d node_modules || npm ci --silent; } && node pictures.mjs

lock: .venv/ready ## Lock the newest allowed versions
	@$(BIN)/pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip compile pyproject.toml --extra traces --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade -o locks/runtime.txt
	@$(BIN)/uv pip compile pyproject.toml --group dev --extra sandbox --extra traces --universal \
		--python-version 3.11 --generate-hashes --no-header --quiet --upgrade -o locks/dev.txt
	@$(BIN)/uv pip compile pyproject.toml --group bench --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade -o locks/bench.txt
	@$(BIN)/uv pip compile pyproject.toml --extra sandbox --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade -o locks/sandbox.txt
	@$(BIN)/uv pip compile --group build --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade -o locks/build.txt

clean: ## Remove everything that make has set up
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site

.venv/bench: locks/bench.txt .venv/ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/bench.txt
	@touch $@

.venv/ready: locks/dev.txt pyproject.toml
	@echo "Setting up .venv and the sandbox (a minute or two, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@$(PYTHON) -m venv .venv
	@$(call counted,$(BIN)/pip install --disable-pip-version-check --require-hashes -r locks/dev.txt)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m worker.sandbox
	@touch $@
