# `make demo` and `make test` do all of the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PATIENT ?=

.PHONY: demo play test test-all bench lint lock clean

demo: $(READY)
	$(BIN)/sacrosim demo $(if $(PATIENT),--patient $(PATIENT)) --out demo

play: $(READY)
	$(BIN)/sacrosim play --out play

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not sweep"

test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: $(READY)
	$(BIN)/sacrosim bench

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sacrosim needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $(READY)

# The lock is universal (environment markers), hashed, and names no address.
lock:
	uv pip compile --quiet --universal --extra dev --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) demo play dist .mypy_cache .ruff_cache .pytest_cache
