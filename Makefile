# One place for the checks. `make check` is what CI runs once its tools are installed.
BIN := .venv/bin
FAST := $(wildcard tests/test_*.py) tests/timeline tests/history tests/review tests/watch tests/tui

.PHONY: lint types fast test check

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

fast:
	$(BIN)/pytest -n auto $(FAST)

test:
	$(BIN)/pytest -n auto

check: lint types test
