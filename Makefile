# Every target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# One package comes as source. What builds it is pinned like the rest, so pip may fetch nothing
# by itself for that.
INSTALL := install --quiet --disable-pip-version-check --require-hashes --no-build-isolation
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' api/__init__.py)
# The project's own environment is used, whichever the shell is in.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/run.stamp ## Serve on PORT (8080); Ctrl-C ends it
	@exec $(BIN)/gunicorn

.PHONY: unit
unit: setup ## Run the tests that need Python and nothing else
	@$(BIN)/pytest --numprocesses 2 --quiet tests/unit $(ARGS)

.PHONY: test
test: setup .venv-runtime/stamp redis-server test-tools ## Run the tests; ARGS="-k name" goes to pytest
ifdef ARGS
	@$(BIN)/pytest $(ARGS)
else
	@failed=0; \
	$(BIN)/pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder -m "not alone and not contract and not soak and not bench" || failed=1; \
	$(BIN)/pytest -m alone tests/integration || failed=1; \
	exit $$failed
endif

.PHONY: contract
contract: setup ## Hold the sandbox to the OpenAPI files of Amadeus in the folder SPEC
	@[ -n "$(SPEC)" ] || { echo 'make contract SPEC=<folder>: CONTRIBUTING.md says where to get the files' >&2; exit 1; }
	@AMADEUS_SPEC=$(abspath $(SPEC)) $(BIN)/pytest tests/contract tests/unit/sandbox $(ARGS)

.PHONY: soak
DURATION ?= 600
soak: setup .venv-runtime/stamp redis-server ## Load with faults that come and go, for DURATION (600) seconds
	@SOAK_SECONDS=$(DURATION) $(BIN)/pytest tests/integration/test_soak.py --capture=no $(ARGS)

.PHONY: bench
bench: .venv-bench/stamp .venv-runtime/stamp redis-server bench-tools ## Measure the service beside its peers, and write the tables
	@for name in hits hit_budget watching misses worker_classes worker_sizes startup simulate sizing; do \
	  .venv-bench/bin/python -m bench.$$name --write || exit; \
	done

.PHONY: bench-test
bench-test: setup .venv-bench/stamp .venv-runtime/stamp redis-server bench-tools ## Run each measurement as short as it can be, so that none rots
	@$(BIN)/pytest -m bench tests/integration/test_bench.py $(ARGS)

.PHONY: pictures
pictures: setup .venv-runtime/stamp redis-server test-tools ## Take the pictures of /status in docs/status
	@PICTURES=docs/status $(BIN)/pytest tests/integration/test_observability_status.py -k "well or down"

.PHONY: lint
lint: setup ## Check style, types, the arrows between modules and gunicorn's settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gunicorn --check-config

.PHONY: docker-test
docker-test: ## Build the image, run it with and without Redis, and look at it from outside
	@tests/docker/check.sh

.PHONY: dist
dist: ## Pack the last commit as dist/flight-price-api-VERSION.tar.gz
	@git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || { \
	  echo 'make dist packs a git commit, and this folder is no git clone' >&2; exit 1; }
	@mkdir -p dist
	git archive --prefix=flight-price-api-$(VERSION)/ \
	  --output=dist/flight-price-api-$(VERSION).tar.gz HEAD

.PHONY: lock
lock: setup ## Pin the newest versions, with hashes, in requirements*.txt
	@for name in requirements requirements-build requirements-tracing requirements-dev bench/requirements; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --no-emit-index-url \
	    --custom-compile-command 'make lock' --output-file $$name.txt $$name.in || exit; \
	done

.PHONY: audit
audit: setup ## Ask whether the pinned packages have known holes
	@$(BIN)/python tools/audit.py $(ARGS)

.PHONY: sbom
sbom: setup .venv-runtime/stamp ## Write the bills of materials of what the service runs on, and with tracing, to dist/
	@mkdir -p dist
	@# pyproject.toml names no dependencies, requirements.txt does: a warning of no use.
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-file dist/sbom.cdx.json .venv-runtime/bin/python
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-file dist/sbom-tracing.cdx.json requirements-tracing.txt
	@echo dist/sbom.cdx.json dist/sbom-tracing.cdx.json

.PHONY: licences
licences: sbom ## List the licences of what the service runs on in docs/licences.md
	@$(BIN)/python tools/licences.py dist/sbom.cdx.json > docs/licences.md
	@echo docs/licences.md

.PHONY: pin-images
pin-images: ## Pin the base images by the digests that they have today
	@tools/pin-images

.PHONY: clean
clean: ## Remove everything that the other targets made here
	rm -rf .venv .venv-bench .venv-runtime dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: setup
setup: .venv/dev.stamp ## Install all that developing takes into .venv

# `make run` needs less than the rest, so a new user waits less.
.venv/run.stamp: requirements.txt requirements-build.txt | .venv/bin/pip
	$(BIN)/pip $(INSTALL) -r requirements-build.txt
	$(BIN)/pip $(INSTALL) -r $<
	@touch $@

.venv/dev.stamp: requirements-dev.txt requirements-build.txt | .venv/bin/pip
	$(BIN)/pip $(INSTALL) -r requirements-build.txt
	$(BIN)/pip $(INSTALL) -r $<
	@touch $@ .venv/run.stamp

# What the image holds, to look at.
.venv-runtime/stamp: requirements.txt requirements-build.txt | .venv/bin/pip
	@rm -rf .venv-runtime && .venv/bin/python -m venv --without-pip .venv-runtime
	$(BIN)/pip --python .venv-runtime/bin/python $(INSTALL) -r requirements-build.txt
	$(BIN)/pip --python .venv-runtime/bin/python $(INSTALL) -r $<
	$(BIN)/pip --python .venv-runtime/bin/python uninstall --quiet --yes setuptools
	@touch $@

# The peers' frameworks stay out of what the service and its tests run on.
.venv-bench/stamp: bench/requirements.txt requirements.txt requirements-build.txt | .venv/bin/pip
	@.venv/bin/python -m venv .venv-bench
	.venv-bench/bin/pip $(INSTALL) -r requirements-build.txt
	.venv-bench/bin/pip $(INSTALL) -r $<
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'This needs Python 3.11, 3.12 or 3.13; where you have one: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo 'Python came without venv and pip; on Debian and Ubuntu: apt-get install python3-venv' >&2; \
	  rm -rf .venv; exit 1; }

# The integration tests talk to a real server, which they start and stop themselves.
.PHONY: redis-server
redis-server:
	@command -v redis-server >/dev/null && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing redis-server' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
	fi; \
	command -v redis-server >/dev/null || { \
	  echo 'The tests need redis-server:' >&2; \
	  echo '  sudo apt-get install redis-server   on Debian and Ubuntu' >&2; \
	  echo '  brew install redis                  on macOS' >&2; exit 1; }

# The load, and the peer that is no Python.
.PHONY: bench-tools
bench-tools:
	@command -v wrk >/dev/null && command -v nginx >/dev/null && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing wrk and nginx' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk nginx-light >/dev/null; \
	fi; \
	command -v wrk >/dev/null && command -v nginx >/dev/null || { \
	  echo 'The measurements need wrk and nginx:' >&2; \
	  echo '  sudo apt-get install wrk nginx-light   on Debian and Ubuntu' >&2; \
	  echo '  brew install wrk nginx                 on macOS' >&2; exit 1; }

# The tests look at pages in a real browser, have Prometheus check what is written for it, run the
# recipes of the documents, put the balancer before replicas, and build the files for Kubernetes.
.PHONY: test-tools
test-tools:
	@has_all() { command -v chromedriver >/dev/null && command -v promtool >/dev/null && \
	  command -v jq >/dev/null && command -v caddy >/dev/null && command -v kubectl >/dev/null; }; \
	has_all && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing chromium, prometheus, jq, caddy and kubectl' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium chromium-driver fonts-dejavu-core prometheus jq caddy \
	    $$(command -v kubectl >/dev/null || echo kubernetes-client) >/dev/null; \
	fi; \
	has_all || { \
	  echo 'The tests need chromedriver, promtool, jq, caddy and kubectl:' >&2; \
	  echo '  sudo apt-get install chromium-driver prometheus jq caddy kubernetes-client   on Debian and Ubuntu' >&2; \
	  echo '  brew install chromedriver prometheus jq caddy kubernetes-cli            on macOS' >&2; exit 1; }
