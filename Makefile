# Every target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# Whatever environment the shell is in, this project's own is used.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: .venv/dev.stamp ## Install everything that developing takes into .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'This needs Python 3.11, 3.12 or 3.13; name one with: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { \
	  echo 'The venv module is missing; on Debian: apt-get install python3-venv' >&2; rm -rf .venv; exit 1; }

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/dev.stamp: requirements-dev.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ .venv/run.stamp

.PHONY: lock
lock: setup ## Pin the newest versions, with hashes, in requirements*.txt
	@for name in requirements requirements-dev; do \
	  $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	    --generate-hashes --upgrade --no-emit-index-url --custom-compile-command 'make lock' \
	    --output-file $$name.txt $$name.in; done
