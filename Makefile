# Every target installs what it needs. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# One package is published as source only. Its build tools are pinned like everything else, so pip
# must not fetch others for the build.
INSTALL := install --quiet --disable-pip-version-check --require-hashes --no-build-isolation
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' api/__init__.py)
# Use the project's own environment, whatever the shell has activated.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/run.stamp ## Run the service on PORT (8080) until Ctrl-C
	@exec $(BIN)/gunicorn

.PHONY: unit
unit: .venv/dev.stamp ## Run the quick tests, which need Python and nothing else
	@$(BIN)/pytest --numprocesses 4 --quiet -m "not thorough" tests/unit $(ARGS)

.PHONY: test
test: setup ## Run the tests that need no browser and no quiet machine; ARGS="-k name" selects some
ifdef ARGS
	@$(BIN)/pytest $(ARGS)
else
	@failed=0; \
	$(BIN)/pytest --numprocesses 4 --quiet tests/unit tests/project || failed=1; \
	$(BIN)/pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder -m "not browser and not timing and not soak and not bench and not sweep" tests/integration tests/system || failed=1; \
	exit $$failed
endif

.PHONY: browser
browser: setup ## Run the tests of the pages, in Chromium
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m browser tests/integration $(ARGS)

.PHONY: timing
timing: setup ## Run the tests that measure time, one after the other
	@$(BIN)/pytest -m timing tests/integration $(ARGS)

.PHONY: sweep
sweep: setup ## Run the cases that `make test` leaves out: every fault, many requests, Valkey
	@$(BIN)/pytest --numprocesses 2 --dist loadfile -m sweep tests/integration $(ARGS)

.PHONY: coverage
coverage: setup ## Print the lines and branches of api/ that no test runs
	@rm -rf .coverage; mkdir .coverage; failed=0; \
	$(BIN)/coverage run --concurrency thread -m pytest --numprocesses 2 tests/unit tests/project || failed=1; \
	$(BIN)/coverage run -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --timeout 180 \
	  -m "not agents and not timing and not contract and not soak and not bench" tests/integration tests/system || failed=1; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report || failed=1; \
	exit $$failed

.PHONY: contract
contract: .venv/dev.stamp tests/contract/node_modules/.package-lock.json ## Check sandbox and bridge against Amadeus's OpenAPI files in the folder SPEC, and Duffel's own package
	@[ -n "$(SPEC)" ] || { echo 'make contract SPEC=<folder>: CONTRIBUTING.md says where to get the files' >&2; exit 1; }
	@[ -n "$(PROVIDERS)" ] || echo 'PROVIDERS=<folder> is not set: no recorded answer of Duffel is checked, and nothing against the file of Ignav'
	@AMADEUS_SPEC=$(abspath $(SPEC)) PROVIDERS=$(abspath $(PROVIDERS)) $(BIN)/pytest --numprocesses 4 --quiet tests/contract tests/unit/bridge tests/unit/sandbox \
	  $(if $(PROVIDERS),,--ignore tests/contract/test_recorded_duffel.py --ignore tests/contract/test_ignav.py) $(ARGS)

.PHONY: agents
agents: .venv/dev.stamp .venv-runtime/stamp .venv-agents/stamp tests/agents/node_modules/.package-lock.json ## Use /mcp with the official SDKs and its conformance suite
	@$(BIN)/pytest -m agents tests/agents $(ARGS)

.PHONY: soak
DURATION ?= 600
soak: .venv/dev.stamp .venv-runtime/stamp redis-server ## Run the service under load and faults for DURATION (600) seconds
	@SOAK_SECONDS=$(DURATION) $(BIN)/pytest tests/integration/operations/test_soak.py --capture=no $(ARGS)

.PHONY: bench
bench: .venv-bench/stamp .venv-runtime/stamp redis-server bench-tools ## Measure the service and its peers, and write the tables of bench/README.md
	@for name in hits calendar hit_budget watching misses worker_classes crowd worker_sizes startup simulate sizing; do \
	  .venv-bench/bin/python -m bench.$$name --write || exit; \
	done

.PHONY: bench-test
bench-test: .venv/dev.stamp .venv-bench/stamp .venv-runtime/stamp redis-server bench-tools ## Run each measurement briefly, to see that it still works
	@$(BIN)/pytest --numprocesses 3 -m bench tests/integration/project/test_bench.py $(ARGS)

.PHONY: pictures
pictures: setup ## Take the screenshots of / and /status in docs/page and docs/status
	@PICTURES=docs/page $(BIN)/pytest tests/integration/http/test_front_page.py -k axe
	@PICTURES=docs/status $(BIN)/pytest tests/integration/observability/test_status_page.py -k "healthy_service or degradation or stopped_service"

.PHONY: lint
lint: .venv/dev.stamp ## Check style, types, the imports between modules and gunicorn's settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gunicorn --check-config

.PHONY: lint-openapi
lint-openapi: .venv/dev.stamp tools/node_modules/.package-lock.json ## Check /openapi.json with linters, and generate TypeScript types from it
	@$(BIN)/python -m tools.lint_openapi

.PHONY: docker-test
docker-test: ## Build the image, run it with and without Redis, and check it from outside
	@tests/docker/check.sh

.PHONY: dist
dist: ## Pack the last commit as dist/flight-price-api-VERSION.tar.gz
	@git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || { \
	  echo 'make dist packs a git commit, and this folder is not a git clone' >&2; exit 1; }
	@mkdir -p dist
	git archive --prefix=flight-price-api-$(VERSION)/ \
	  --output=dist/flight-price-api-$(VERSION).tar.gz HEAD

.PHONY: lock
lock: setup ## Pin the newest versions, with hashes, in requirements.txt and requirements/
	@for name in runtime build tracing dev bench agents; do \
	  file=requirements/$$name.txt; \
	  [ $$name != runtime ] || file=requirements.txt; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --fork-strategy fewest --generate-hashes --no-emit-index-url \
	    --custom-compile-command 'make lock' --output-file $$file requirements/$$name.in || exit; \
	done

.PHONY: audit
audit: .venv/dev.stamp ## Look for known vulnerabilities in the pinned packages
	@$(BIN)/python tools/audit.py $(ARGS)

.PHONY: sbom
sbom: .venv/dev.stamp .venv-runtime/stamp ## Write the bills of materials, without and with tracing, to dist/
	@mkdir -p dist
	@# It warns that pyproject.toml names no dependencies; requirements.txt names them.
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-file dist/sbom.cdx.json .venv-runtime/bin/python
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-file dist/sbom-tracing.cdx.json requirements/tracing.txt
	@echo dist/sbom.cdx.json dist/sbom-tracing.cdx.json

.PHONY: licences
licences: sbom ## List the licences of the packages in docs/licences.md
	@$(BIN)/python tools/licences.py dist/sbom.cdx.json > docs/licences.md
	@echo docs/licences.md

.PHONY: pin-images
pin-images: ## Pin the base images to their present digests
	@tools/pin-images

.PHONY: clean
clean: ## Remove everything that the other targets created
	rm -rf .venv .venv-agents .venv-bench .venv-runtime tools/node_modules tests/agents/node_modules tests/contract/node_modules dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +

# npm writes this file at the end. Versions and hashes are those of tools/package-lock.json.
tools/node_modules/.package-lock.json: tools/package.json tools/package-lock.json | node
	@npm ci --prefix tools --engine-strict --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# These packages run on the Node.js that is among them, not on the one that runs npm.
tests/agents/node_modules/.package-lock.json: tests/agents/package.json tests/agents/package-lock.json | node
	@npm ci --prefix tests/agents --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests/contract/node_modules/.package-lock.json: tests/contract/package.json tests/contract/package-lock.json | node
	@npm ci --prefix tests/contract --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: node
node:
	@command -v npm >/dev/null && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing Node.js' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; \
	fi; \
	command -v npm >/dev/null || { \
	  echo 'This needs Node.js 20.19 or newer, with npm:' >&2; \
	  echo '  sudo apt-get install nodejs npm   on Debian 13 and Ubuntu' >&2; \
	  echo '  brew install node                 on macOS' >&2; exit 1; }

.PHONY: setup
setup: .venv/dev.stamp .venv-runtime/stamp redis-server test-tools ## Install what any test needs; `make unit` and `make lint` need only Python

# `make run` needs fewer packages than the other targets, so new users wait less.
.venv/run.stamp: requirements.txt requirements/build.txt | .venv/bin/pip
	$(BIN)/pip $(INSTALL) -r requirements/build.txt
	$(BIN)/pip $(INSTALL) -r $<
	@touch $@

.venv/dev.stamp: requirements/dev.txt requirements/build.txt | .venv/bin/pip
	$(BIN)/pip $(INSTALL) -r requirements/build.txt
	$(BIN)/pip $(INSTALL) -r $<
	@touch $@ .venv/run.stamp

# The same packages as in the image, for the tests and the bill of materials.
.venv-runtime/stamp: requirements.txt requirements/build.txt | .venv/bin/pip
	@rm -rf .venv-runtime && .venv/bin/python -m venv --without-pip .venv-runtime
	$(BIN)/pip --python .venv-runtime/bin/python $(INSTALL) -r requirements/build.txt
	$(BIN)/pip --python .venv-runtime/bin/python $(INSTALL) -r $<
	$(BIN)/pip --python .venv-runtime/bin/python uninstall --quiet --yes setuptools
	@touch $@

# The other frameworks have an environment of their own, apart from the service and its tests.
.venv-bench/stamp: requirements/bench.txt requirements.txt requirements/build.txt | .venv/bin/pip
	@.venv/bin/python -m venv .venv-bench
	.venv-bench/bin/pip $(INSTALL) -r requirements/build.txt
	.venv-bench/bin/pip $(INSTALL) -r $<
	@touch $@

# The client of agents brings packages that the tests do not know.
.venv-agents/stamp: requirements/agents.txt requirements/build.txt | .venv/bin/pip
	@.venv/bin/python -m venv .venv-agents
	.venv-agents/bin/pip $(INSTALL) -r requirements/build.txt
	.venv-agents/bin/pip $(INSTALL) -r $<
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'This needs Python 3.11, 3.12 or 3.13. If you have one: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo 'This Python has no venv and pip. On Debian and Ubuntu: apt-get install python3-venv' >&2; \
	  rm -rf .venv; exit 1; }

# The integration tests start and stop this server themselves.
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

# wrk sends the load; nginx is one of the peers.
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

# The tests open pages in a real browser, check metrics and alerts with promtool, run the recipes
# of the documents, start the balancer before replicas, build the files for Kubernetes, and take
# axe-core and an SDK from npm.
.PHONY: test-tools
test-tools:
	@has_all() { command -v chromedriver >/dev/null && command -v promtool >/dev/null && \
	  command -v jq >/dev/null && command -v caddy >/dev/null && command -v kubectl >/dev/null && \
	  command -v npm >/dev/null; }; \
	has_all && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'Installing chromium, prometheus, jq, caddy, kubectl and npm' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium-driver chromium-headless-shell fonts-dejavu-core prometheus jq caddy \
	    $$(command -v kubectl >/dev/null || echo kubernetes-client) \
	    $$(command -v npm >/dev/null || echo npm) >/dev/null; \
	fi; \
	has_all || { \
	  echo 'The tests need chromedriver, promtool, jq, caddy, kubectl and npm:' >&2; \
	  echo '  sudo apt-get install chromium-driver prometheus jq caddy kubernetes-client npm   on Debian and Ubuntu' >&2; \
	  echo '  brew install chromedriver prometheus jq caddy kubernetes-cli node           on macOS' >&2; exit 1; }
