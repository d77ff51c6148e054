# Everything a newcomer needs; each target sets up what it needs, so each works alone as the first command.
PYTHON ?= python3
VENV ?= .venv
# cpu or cuda: which build of torch to ask for where the package index offers both.
TORCH ?= cpu
TORCH_VERSION ?= 2.13.0
RECIPE ?= quickstart
SET ?=
BUNDLE ?= runs/quickstart/bundle
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(TORCH)

ifeq ($(TORCH),cuda)
TORCH_INDEX ?=
else
TORCH_INDEX ?= --extra-index-url https://download.pytorch.org/whl/cpu
endif

.PHONY: help setup distill bench test check smoke clean
.DEFAULT_GOAL := help

help: ## show this text
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo; echo 'make distill RECIPE=goemotions SET="corpus.source=FOLDER train.seed=1"; TORCH=cuda for the CUDA build'

setup: $(STAMP) ## make .venv and install everything, pinned by constraints.txt

# torch comes first and alone: asked for by another package, an index may answer with its largest build.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check "torch==$(TORCH_VERSION)" || \
	  $(BIN)/pip install -q --disable-pip-version-check $(TORCH_INDEX) "torch==$(TORCH_VERSION)"
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

distill: $(STAMP) ## run a recipe: corpus to checked, quantized bundle (RECIPE=quickstart SET="key=value ...")
	$(BIN)/distill run $(RECIPE) $(foreach pair,$(SET),--set $(pair))

smoke: $(STAMP) ## the whole line in seconds, on a tiny corpus
	$(BIN)/distill run smoke

bench: $(STAMP) ## measure a bundle's latency on this machine (BUNDLE=folder)
	$(BIN)/distill bench $(BUNDLE)

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest

check: $(STAMP) ## lint, format, types and tests: the same command on a laptop and in CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

clean: ## remove the virtual environment and caches (runs/ stays)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
