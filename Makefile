# SPDX-License-Identifier: GPL-2.0-or-later
# Every goal sets up what it needs and can be run again at any time.

PYTHON ?= python3
VENV   := .venv
SERVICES := .venv-services
BIN    := $(VENV)/bin

.PHONY: all setup packages services demo test test-fast lint bench judge dkms clean lock lock-services

all: setup

setup: packages $(VENV)/.ready

packages:
	@tools/packages.sh

$(VENV)/.ready: requirements.lock pyproject.toml
	@echo 'setup: making $(VENV) from requirements.lock'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# As pip does for what it copies: where PYTHONDONTWRITEBYTECODE is set each start would compile us anew, for 0.1 s.
	@$(BIN)/python -m compileall -q src
	@touch $@

# What tests talk to over the loopback address; the programs have their own dependencies, so an environment of their own.
services: $(SERVICES)/.ready

$(SERVICES)/.ready: tools/services.lock
	@echo 'setup: making $(SERVICES) from tools/services.lock'
	@$(PYTHON) -m venv --clear $(SERVICES)
	@$(SERVICES)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/services.lock
	@touch $@

demo: setup
	@$(BIN)/python tools/demo.py

test: setup services lint
	@$(BIN)/python -m pytest

# Every case of the judge on every kernel, arm64 included, of which `test` tries a part.
judge: setup
	@DLKM_JUDGE=all $(BIN)/python -m pytest tests/integration/test_judge.py tests/integration/test_judge_changed.py

# All of Debian's DKMS packages on four kernels, by DKMS and by us, of which `test` tries a part.
dkms: setup
	@DLKM_DKMS=all $(BIN)/python -m pytest tests/contract/test_dkms.py

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: setup
	@$(BIN)/python -m bench

# The lock is made anew by hand, when a dependency is to move.
lock: setup
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --extra dev \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml

lock-services: setup
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --output-file tools/services.lock tools/services.in

clean:
	@rm -rf $(VENV) $(SERVICES) out .mypy_cache .ruff_cache .pytest_cache
