# Two commands are enough: `make demo` and `make test`. Both set everything up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help demo test check bench torture install lock docs clean

help:  ## say what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3"; exit 78; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@touch $@

demo: $(READY)  ## simulator + embedded PostgreSQL + tracker, with a live view (DEMO_SECONDS=30 ends by itself)
	@exec $(BIN)/python bin/tracker --demo $(if $(DEMO_SECONDS),--duration $(DEMO_SECONDS))

check: $(READY)  ## ruff, mypy --strict, import-linter floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## every check and every test
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/coverage report --include='actors/logic/*' --fail-under=95

lock: $(READY)  ## renew requirements.lock from setup.cfg
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet pip-tools
	$(VENV)/lock/bin/pip-compile --quiet --upgrade --generate-hashes --all-extras --strip-extras --no-annotate \
	  --no-emit-index-url --no-emit-find-links --allow-unsafe --no-header -o requirements.lock setup.cfg

clean:  ## remove everything that make made, but never a state directory
	rm -rf $(VENV) build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
