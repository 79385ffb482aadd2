# Short verbs for people and for CI. `make run` and `make test` need nothing but
# Python 3.11 and make; both install the project into .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install install-dev apt apt-dev run repro test lint docs ui clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# libraries that Blender's module links against and a bare Debian or Ubuntu lacks
APT := libgl1 libsm6 libxext6 libxfixes3 libxi6 libxkbcommon0 libxrender1

apt: ## install the system libraries of Blender where they are missing (Debian, as root)
	@$(BIN)/python -c "import bpy" 2>/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $(APT) >/dev/null; \
	else echo "Blender needs system libraries: sudo apt-get install -y $(APT)"; exit 1; fi

apt-dev: ## install Chromium where it is missing: the tests of the demo need a browser
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "The tests of the demo need a browser: sudo apt-get install -y chromium, or $(BIN)/playwright install chromium"; fi

.venv/installed: pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" 2>/dev/null || \
	  { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[render]"
	@$(MAKE) --no-print-directory apt
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --editable ".[render,dev,docs]"
	@$(MAKE) --no-print-directory apt-dev
	@touch $@

install: .venv/installed ## install the project into .venv (about 2 minutes, 7 GB)

install-dev: .venv/installed-dev ## and what tests and linters need

run: .venv/installed ## render, train, evaluate: 2d and clevr, about half an hour on 2 cores
	$(BIN)/kedro run

repro: .venv/installed ## all five domains by `dvc repro`: what changed, and what depends on it
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

test: .venv/installed-dev ## run the tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed-dev ## build the documentation into site/, from files here alone
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# of `make ui`; runs may lie in another database
MLFLOW_URI := $(or $(IGLLM_MLFLOW_URI),sqlite:///mlruns/mlflow.db)
UI_PORT ?= 5000

ui: .venv/installed ## open MLflow's pages on http://127.0.0.1:5000
	@case "$(MLFLOW_URI)" in http*) echo "the server's pages: $(MLFLOW_URI)"; exit;; esac; \
	$(BIN)/mlflow server --backend-store-uri "$(MLFLOW_URI)" --host 127.0.0.1 --port $(UI_PORT) --workers 1

clean: ## delete what the pipelines made (data, models, reports, MLflow runs)
	rm -rf data/0* data_test .dvc/cache .dvc/tmp mlruns/mlflow.db mlruns/artifacts
	-@git checkout --quiet -- data 2>/dev/null # the metrics that git holds
