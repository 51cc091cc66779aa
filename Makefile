# make run and make test do all their set-up themselves. Python 3.11 is the only thing that must be there.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
BROWSER ?=
# set, each process of the site and each jailed job would compile its modules anew
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lint types imports bench proofs record-proofs lint-items shots clean venv venv-dev

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

run: ## start the whole site (PORT, DATA_DIR, DATABASE_URL, REDIS_URL are read from the environment)
	@$(call need_python)
	@trap : INT; $(PYTHON) deploy/prepare_venv.py --steps 5 && exec $(BIN)/python manage.py up --after-steps 2

test: venv-dev ## all tests but those that drive a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: venv-dev ## tests that need no running site
	$(BIN)/python -m pytest tests/unit tests/test_layout.py tests/test_docs.py -q

lint: venv-dev ## style and common mistakes
	$(BIN)/ruff check .

types: venv-dev ## mypy, strict
	$(BIN)/mypy

imports: venv-dev ## which package may import which
	PYTHONPATH=.:platform $(BIN)/lint-imports

bench: venv-dev ## compare with the peers on this machine; writes benchmarks/results/
	PYTHONPATH=.:platform $(BIN)/python -m benchmarks.run

proofs: venv-dev ## run every executable proof against a site that lives only for it
	PYTHONPATH=.:platform $(BIN)/python -m tests.on_a_site proofs --site {url}

record-proofs: venv-dev ## run the proofs and write what the sandbox reports for computed items beside the banks
	PYTHONPATH=.:platform $(BIN)/python -m tests.on_a_site proofs --record --site {url}

lint-items: venv-dev ## check the item banks
	$(BIN)/python manage.py lint_items

shots: venv-dev ## a picture of every page of the running site (PORT, DATA_DIR), into DATA_DIR/shots
	PYTHONPATH=.:platform $(BIN)/python -m tests.browser.shots

clean: ## remove caches; data (var/) and .venv stay
	rm -rf .test-data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

venv:
	@$(call need_python)
	@$(PYTHON) deploy/prepare_venv.py

venv-dev:
	@$(call need_python)
	@$(PYTHON) deploy/prepare_venv.py --dev

define need_python
test -n "$(PYTHON)" || { echo "Python 3.11 is needed and was not found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
endef
