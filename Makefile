# Everything a newcomer needs: make run, make test. `make help` lists the targets.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# Chromium's own flags and paths are set by the tests; here it is only made present.
CHROMIUM := $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser))
POSTGRES := $(firstword $(wildcard /usr/lib/postgresql/*/bin/initdb /usr/local/bin/initdb))

.PHONY: help run test check docs format tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## set up if needed and open the page on http://127.0.0.1:7860
	$(BIN)/python -m rolecraft serve

test: $(READY_DEV) tools ## set up if needed and run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(READY_DEV) ## style, types, layers, generated texts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m rolecraft characters check
	$(BIN)/python -m rolecraft results data --docs docs --check
	$(BIN)/python -m rolecraft space check
	$(BIN)/python -m benchmarks.readme --check
	$(BIN)/python -m pytest tests/test_layers.py

docs: $(READY_DEV) ## write docs/cast.md and its pictures anew
	$(BIN)/python -m rolecraft results data --docs docs

format: $(READY_DEV) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Debian's chromium and PostgreSQL serve the tests. Only root can install them; elsewhere the tests
# that need them are skipped with the reason.
tools:
ifeq ($(CHROMIUM),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; \
	else echo "No chromium: browser tests will be skipped."; fi
endif
ifeq ($(POSTGRES),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; \
	else echo "No PostgreSQL: its tests will be skipped."; fi
endif

clean: ## remove the environment
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(READY): requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
