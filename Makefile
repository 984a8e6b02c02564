# make demo    see the whole product work (a real engine, two workers; under three minutes)
# make demo-boot  see virtual machines boot from the network and install themselves
# make test    every test
# make check   layout, lint, types
# make bench   what docs/performance.md is made of
# make lock    renew the pinned requirements
# make clean   remove the environment and what was built
#
# A fresh Debian 12 with python3.11, git and make is enough: as root, what is missing is
# installed from debian-packages.txt.

SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
BENCHMARKS ?= reports polls gate create growth fleet documents render store boot
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: help demo demo-boot test check bench lock packages clean

help:
	@sed -n 's/^# //p' Makefile | sed '/^A fresh/,$$d'

demo: $(VENV)/ready
	@$(BIN)/tink demo

demo-boot: $(VENV)/ready
	@test "$$(id -u)" = 0 || { echo "make demo-boot needs root: it makes a network of its own"; exit 1; }
	@./install-packages engine boot
	@$(BIN)/python -m tests.boot.demo

test: $(VENV)/ready
	@test "$$(id -u)" != 0 || ./install-packages engine test boot
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/ready
	@test "$$(id -u)" != 0 || ./install-packages test bench
	@for each in $(BENCHMARKS); do \
	  echo "== python -m benchmarks.$$each"; $(BIN)/python -m benchmarks.$$each || exit 1; \
	done

$(VENV)/ready: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tinkgit needs Python 3.11 or newer; $(PYTHON) is older"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || ./install-packages venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned requirements into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

packages:
	./install-packages venv engine test boot

lock: $(VENV)/ready
	$(BIN)/python -m pip install -q pip-tools
	for extras in "requirements.txt" "requirements-dev.txt --extra test --extra bench"; do \
	  $(BIN)/pip-compile -q --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links pyproject.toml -o $$extras || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
