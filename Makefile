# Everything a newcomer needs; each target sets up what it needs, so each works alone as the first command.
PYTHON ?= python3
VENV ?= .venv
# cpu or cuda: which build of torch to ask for where the package index offers both; by default the one that is
# installed already, else cuda where there is an NVIDIA driver.
INSTALLED := $(patsubst $(VENV)/.installed-%,%,$(firstword $(wildcard $(VENV)/.installed-*)))
TORCH ?= $(or $(INSTALLED),$(if $(shell command -v nvidia-smi),cuda,cpu))
TORCH_VERSION ?= 2.13.0
RECIPE ?= quickstart
SET ?=
TEXTS ?= corpora/sample/test.tsv
RUN ?= runs/$(patsubst %.toml,%,$(notdir $(RECIPE)))
BUNDLE ?= $(RUN)/bundle
PICTURE ?=
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
STAMP := $(VENV)/.installed-$(TORCH)
# the base install alone, in the lowest versions that pyproject.toml allows and in the newest of the package index
LOWEST := .venv-lowest
NEWEST := .venv-newest
# documentation and twine, apart from the code
DOCS := .venv-docs

ifeq ($(TORCH),cuda)
TORCH_INDEX ?=
else
# pip prefers this index's 2.13.0+cpu to 2.13.0; where it cannot be reached, the default index has to do
TORCH_INDEX ?= --extra-index-url https://download.pytorch.org/whl/cpu --retries 1 --timeout 15
endif

.PHONY: help setup distill bench bench-peers bench-training wheel sdist packages test coverage check-benchmarks golden campaign tree docs lint house check check-all smoke clean
.DEFAULT_GOAL := help

help: ## show this text
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
	@echo; echo 'make distill RECIPE=goemotions SET="corpus.source=FOLDER seed=1"; TORCH=cuda or cpu for that build of torch'

setup: $(STAMP) ## make .venv and install everything, pinned by constraints.txt

# torch comes first and alone: asked for by another package, an index may answer with its largest build. It is
# installed anew, or changing TORCH would leave the other build in place.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q --no-deps --force-reinstall $(TORCH_INDEX) "torch==$(TORCH_VERSION)"
	$(PIP) install -q -c constraints.txt -e ".[dev]"
	rm -f $(VENV)/.installed-*
	touch $@

distill: $(STAMP) ## run a recipe: corpus to checked, quantized bundle (RECIPE=quickstart SET="key=value ...")
	$(BIN)/distill run $(RECIPE) $(foreach pair,$(SET),--set '$(pair)')

smoke: $(STAMP) ## the whole line in seconds, on a tiny corpus
	$(BIN)/distill run smoke

bench: $(STAMP) ## measure bundles on this machine (BUNDLE="folder ..." TEXTS=file PICTURE=file.svg); makes quickstart's if need be
ifeq ($(origin BUNDLE),file)
	test -f $(BUNDLE)/manifest.json || $(MAKE) distill
endif
	$(BIN)/distill bench $(BUNDLE) $(if $(filter file,$(origin TEXTS)),,--texts $(TEXTS)) $(if $(PICTURE),--picture $(PICTURE))

bench-peers: $(STAMP) ## a finished run beside what one would use instead (RUN=folder); makes quickstart's first if need be
ifeq ($(origin RUN),file)
	test -f $(RUN)/report.json || $(MAKE) distill
endif
	OMP_NUM_THREADS=1 TRANSFORMERS_VERBOSITY=error $(BIN)/python -m tests.benchmarks.peers $(RUN) --json $(RUN)/peers.json

bench-training: $(STAMP) ## labelling and training beside plain transformers (RUN=folder); makes quickstart's first if need be
ifeq ($(origin RUN),file)
	test -f $(RUN)/report.json || $(MAKE) distill
endif
	TRANSFORMERS_VERBOSITY=error $(BIN)/python -m tests.benchmarks.training_speed $(RUN) --json $(RUN)/training-speed.json

wheel: $(STAMP) ## build dist/*.whl, all that a machine needs to use a bundle
	rm -rf dist build/lib build/bdist.*
	$(PIP) wheel -q --no-deps --no-build-isolation -w dist .
	rm -rf build/lib build/bdist.*

sdist: $(STAMP) ## build dist/*.tar.gz, the product's source without tests
	rm -rf build/lib
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; print(build_sdist('dist'))"

packages: wheel sdist $(DOCS)/.installed ## build both and have twine check them, as an index would
	$(DOCS)/bin/twine check --strict dist/*

# a process for each core, each test file in one of them: its fixtures train models that the file's tests share
test: $(STAMP) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# 1.6 times the CPU (Python 3.11 traces each line), so `make test` goes without; processes that tests start are not seen
coverage: $(STAMP) ## run the tests and print which lines and branches of the product they reach
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term

check-benchmarks: $(STAMP) ## the tests of the benchmark scripts, which no other target runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -o addopts="-q --strict-markers --strict-config" tests/benchmarks

# the documentation as a site, in an environment of its own: nothing of it is needed to work on the code
$(DOCS)/.installed: docs/site/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip --disable-pip-version-check install -q --upgrade -r $<
	touch $@

docs: tree $(DOCS)/.installed ## build build/site, the documentation; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict -q

# of each line of the base install the bound itself, or the newest that the bound allows
$(LOWEST)/.installed $(NEWEST)/.installed: pyproject.toml
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(PYTHON) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
		| sed '$(if $(findstring $(LOWEST),$@),s/>=/==/)' > $(@D)/requirements.txt
	$(@D)/bin/pip --disable-pip-version-check install -q --upgrade -r $(@D)/requirements.txt
	touch $@

golden: wheel $(LOWEST)/.installed $(NEWEST)/.installed ## golden bundles with the wheel, in the lowest and newest supported versions
	$(foreach place,$(LOWEST) $(NEWEST),$(place)/bin/pip --disable-pip-version-check install -q --no-deps --force-reinstall dist/*.whl &&) true
	$(foreach place,$(LOWEST) $(NEWEST),$(place)/bin/python tests/golden/check.py &&) true

campaign: $(STAMP) ## hours: kills, fuzzing, memory, batchings; docs/reliability.md has what they gave
	$(BIN)/python -m tests.campaigns.fuzz_inputs
	$(BIN)/python -m tests.campaigns.fuzz_bundles
	$(BIN)/python -m tests.campaigns.kill --kills 100
	$(BIN)/python -m tests.campaigns.kill --signal INT --kills 30
	$(BIN)/python -m tests.campaigns.kill --recipe quickstart --kills 5
	$(BIN)/python -m tests.campaigns.memory
	test -f $(BUNDLE)/manifest.json || $(MAKE) distill
	$(BIN)/python -m tests.campaigns.batchings $(BUNDLE) $(TEXTS)

# mypy and editors know no package-dir: they see the packages through links, as an installed wheel has them
TREE := build/tree
tree: ## the packages as installed, as links: for type checkers and editors
	rm -rf $(TREE) && mkdir -p $(TREE)/distill
	ln -s $(addprefix $(CURDIR)/,$(wildcard distill/* corpora export students teachers)) $(TREE)/distill/

lint: $(STAMP) tree ## lint, format, English and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.english
	MYPYPATH=$(TREE) $(BIN)/mypy

# the branches on kinds, openings and tokenizations of docs/ARCHITECTURE.md; three smoke runs, a minute or two
house: $(STAMP) ## print how the house stands, and fill the table of docs/ARCHITECTURE.md
	$(BIN)/python -m tests.house --measure --write docs/ARCHITECTURE.md

check: lint test ## lint, format, English, types and tests: the same command on a laptop and in CI

check-all: check golden docs check-benchmarks ## all of that, the golden bundles, the documentation and the benchmarks' tests

clean: ## remove the virtual environments and caches (runs/ stays)
	rm -rf $(VENV) $(LOWEST) $(NEWEST) $(DOCS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
