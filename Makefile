# Checks and tests of a checkout that has its environment in .venv (see BUILD.md).
PYTHON_BIN := .venv/bin

.PHONY: check format test test-slow

check:
	$(PYTHON_BIN)/ruff check .
	$(PYTHON_BIN)/ruff format --check .
	$(PYTHON_BIN)/mypy
	$(PYTHON_BIN)/pytest tests/test_structure.py

format:
	$(PYTHON_BIN)/ruff check --fix .
	$(PYTHON_BIN)/ruff format .

test:
	$(PYTHON_BIN)/pytest -n 2

test-slow:
	$(PYTHON_BIN)/pytest -n 2 -m "slow and not long"
