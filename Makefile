# Everything a person or a machine does with this project, from a bare python3 (3.11 or newer, with venv) and make.

# A shim may be on PATH and still run nothing: ask each candidate to prove itself.
PYTHON := $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$candidate"; break; fi; done)

# uv and pip want a home for their caches; a container's user may have none.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.venv/home
endif

# A company's own certificates are in the system's store, which pip reads and uv only when asked.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

BIN := .venv/bin
READY := .venv/ready
BENCH_READY := .venv/bench-ready
BROWSER_READY := .venv/browser-ready
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --quiet
SEED ?= 1
KILLS ?= 200
EXAMPLES ?= 200
PORT ?= 8000
ONLY ?=
MINUTES ?= 60
# One more than cores: a quarter of the time a system test waits for processes that wait themselves.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-browser check contract verify-real-input kill-campaign rebuild-campaign saga-campaign \
	books-campaign race-campaign reactions-campaign fuzz lock bench \
	bench-growth bench-fairness soak

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything locked by hash; quick when nothing changed

run: $(READY) ## start it all on this machine, with two demo stores; Ctrl-C ends it
	@exec $(BIN)/shelfwise up --demo --port $(PORT)

test: $(READY) ## the whole suite, on real PostgreSQL and Valkey
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-browser: $(BROWSER_READY) ## click through the console in headless Chromium, installed where that can be done
	@command -v chromium >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1 \
		&& apt-get update -qq >/dev/null 2>&1 && apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1; } \
		|| echo "chromium is missing and cannot be installed here: on Debian, apt install chromium" >&2
	$(BIN)/pytest -n 0 -m browser tests/browser

check: $(READY) ## everything that needs no server: lint, format, types, seams, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.architecture.lint
	$(BIN)/deptry .
	! git grep -nIE '^([<]{7}|[|]{7}|[>]{7})( |$$)' # marks that a merge has left

contract: $(READY) ## build the OpenAPI document of both sides anew, when a route has changed
	$(BIN)/python -m operations.contract

verify-real-input: $(READY) ## import all of ../shared/data and compare every day and title with an independent sum
	$(BIN)/pytest -n 0 -m real_input tests/system

kill-campaign: $(READY) ## kill the projector at random points (SEED=…, KILLS=200) and compare with a refold
	SHELFWISE_KILL_SEED=$(SEED) SHELFWISE_KILLS=$(KILLS) $(BIN)/pytest -n 0 -m kill_campaign tests/system

rebuild-campaign: $(READY) ## rebuild 200,000 events under writes, killed three times (SEED=…), and compare with a refold
	SHELFWISE_REBUILD_SEED=$(SEED) $(BIN)/pytest -n 0 -m rebuild_campaign tests/system

saga-campaign: $(READY) ## kill the saga's worker (SEED=…, KILLS=200) and compare orders, stock, money and views
	SHELFWISE_SAGA_SEED=$(SEED) SHELFWISE_SAGA_KILLS=$(KILLS) $(BIN)/pytest -n 0 -m saga_campaign tests/system

books-campaign: $(READY) ## random days in a store beside plain books (SEED=…, EXAMPLES=200): stock, money and orders after each step
	SHELFWISE_BOOKS_SEED=$(SEED) SHELFWISE_BOOKS_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n 0 -m books_campaign tests/system/books

race-campaign: $(READY) ## 10,000 racing duplicates over 100 keys (SEED=…) make 100 effects; captures and refunds too
	SHELFWISE_RACE_SEED=$(SEED) $(BIN)/pytest -n 0 -m race_campaign tests/system

reactions-campaign: $(READY) ## kill reacting workers at random points (SEED=…, KILLS=200): nothing lost, nothing doubled
	SHELFWISE_REACTIONS_SEED=$(SEED) SHELFWISE_KILLS=$(KILLS) $(BIN)/pytest -n 0 -m reactions_campaign tests/system

fuzz: $(READY) ## make up thousands of requests from the contract (SEED=…): no 5xx, nothing undocumented
	SHELFWISE_FUZZ_SEED=$(SEED) $(BIN)/pytest -n $(WORKERS) -m fuzz tests/system

bench: $(BENCH_READY) ## measure beside floors and peers, 20 minutes at most (ONLY=read|write|project|e2e for a part)
	@$(BIN)/python -m benchmarks --only "$(ONLY)"

bench-growth: $(BENCH_READY) ## the same queries at 10,000 and at 1,000,000 orders, commands with 10 and with 200 stores
	@$(BIN)/python -m benchmarks.growth

bench-fairness: $(BENCH_READY) ## what fifty stores notice of one store's backlog of 100,000 events, and of its rebuild
	@$(BIN)/python -m benchmarks.fairness

soak: $(BENCH_READY) ## memory under a steady load (MINUTES=60)
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

lock: $(READY) ## resolve the dependencies anew, with hashes
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) --output-file requirements/production.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) --extra embedded --extra s3 --group dev --output-file requirements/development.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) --extra embedded --group bench --constraint requirements/development.txt --output-file requirements/bench.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) --extra embedded --group browser --constraint requirements/development.txt --output-file requirements/browser.txt
	printf 'uv\nhatchling\n' | $(BIN)/uv pip compile - $(LOCK_OPTIONS) --constraint requirements/development.txt --output-file requirements/tools.txt

# uv takes seconds where pip takes half a minute; where uv cannot be had or fails, pip does the same work.
$(READY): requirements/development.txt requirements/tools.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "python3 (3.11 or newer, with venv) is needed: on Debian, apt install python3 python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@mkdir -p "$$HOME" 2>/dev/null || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/tools.txt \
		|| echo "uv cannot be had; pip takes a little longer" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/development.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/development.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The peers are nobody's dependency but the benchmarks'.
$(BENCH_READY): $(READY) requirements/bench.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/bench.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bench.txt
	@touch $@

$(BROWSER_READY): $(READY) requirements/browser.txt
	@{ $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/browser.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/browser.txt; } \
		&& touch $@ || echo "playwright cannot be had here: the tests of the console are skipped" >&2
