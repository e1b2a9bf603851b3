# A fresh machine needs two commands: `make run` and `make test`. Everything else is for those who work on the code.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := src tests bench examples scripts

.PHONY: setup dev run test check collected format lock bench soak looks screenshots openapi fixtures-export contracts-compat clean

setup: .venv/.setup

.venv/.setup: requirements.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup run
	@touch $@

dev: .venv/.dev

.venv/.dev: requirements-dev.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup dev
	@touch .venv/.setup $@

run: setup
	@$(BIN)/longhouse-jobs serve

test: dev
	@$(MAKE) --no-print-directory -j2 check collected
	@$(BIN)/pytest -n 4 --dist worksteal -m "not soak"

check: dev
	@$(BIN)/ruff format --check --quiet $(wildcard $(SOURCES))
	@$(BIN)/ruff check --quiet $(wildcard $(SOURCES))
	@$(BIN)/mypy

# Each worker of pytest reads all test modules; what the first one has compiled, the others need not. Meanwhile types are
# checked on the other core. What is wrong with a module is said by the run that follows.
collected: dev
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --collect-only --quiet >/dev/null 2>&1 || :

format: dev
	@$(BIN)/ruff format $(wildcard $(SOURCES))
	@$(BIN)/ruff check --fix $(wildcard $(SOURCES))

lock: dev
	@scripts/lock

soak: dev
	@$(BIN)/pytest -n 2 -m soak --timeout 7200
	@$(MAKE) --no-print-directory looks

looks: dev
	@for look in wide-light wide-dark phone-light phone-dark; do \
	  echo "tests/browser in $$look"; \
	  LONGHOUSE_LOOK=$$look $(BIN)/pytest -q -n 2 --dist worksteal -m "not soak" tests/browser || exit 1; \
	done
	@echo "tests/browser with the keyboard alone"
	@LONGHOUSE_HANDS=keys $(BIN)/pytest -q -n 2 --dist worksteal -m "not soak" tests/browser

bench: dev
	@$(BIN)/python -m bench

fixtures-export: setup
	@$(BIN)/growth fixtures export

openapi: dev
	@$(BIN)/python -m longhouse.api > docs/openapi.json

screenshots: dev
	@$(BIN)/python -m tests.browser docs/screenshots

contracts-compat: setup
	@$(BIN)/jobforge compat

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
