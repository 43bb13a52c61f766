PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS := 300

.PHONY: help demo test bench calibrate mutate faults soak restart units loop-bench fuzz lint audit clean

help:
	@echo "make demo    see it work: needs Python 3.11 or newer, nothing else"
	@echo "make .venv   everything to develop in: database driver, plots, tests"
	@echo "make test    all tests; those of Kafka need Java 17 and Maven"
	@echo "make bench   CPU of the pipeline as ratios; writes build/bench.json"
	@echo "make calibrate  every promise of every detector measured; writes build/calibrate.json, .md and TARGET.json"
	@echo "make mutate  each rule of the statistics broken once: its test must fail"
	@echo "make faults  every fault on real servers, beside an undisturbed run; writes build/faults.json"
	@echo "make soak    five million events: memory and commit time; writes build/soak.json and build/soak.png"
	@echo "make restart a new process over a million pending predictions and a thousand watches, to its first verdict"
	@echo "make units   what a window costs when ten million people are known, against one million"
	@echo "make loop-bench  every mode of the closed loop, ten worlds each, and gains that are known; writes build/loop-bench.md and TARGET.json"
	@echo "make fuzz    coverage-guided fuzzing for SECONDS=300; Linux"
	@echo "make lint    ruff and mypy"
	@echo "make audit   known vulnerabilities of what is installed"
	@echo "make clean   remove what was built"

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/core: pyproject.toml | $(VENV)/created
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/demo: pyproject.toml | $(VENV)/created
	$(BIN)/python -m pip install --quiet --editable '.[plot]'
	@touch $@ $(VENV)/core

$(VENV)/test: pyproject.toml | $(VENV)/created
	$(BIN)/python -m pip install --quiet --editable '.[postgres,plot]' --group test
	@touch $@ $(VENV)/core

$(VENV)/fuzz: $(VENV)/test
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@

$(VENV)/lint: $(VENV)/test
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@

.PHONY: $(VENV)
$(VENV): $(VENV)/test

demo: $(VENV)/demo
	$(BIN)/loopwatch demo

test: $(VENV)/test
	$(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder

bench: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.pipeline

calibrate: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.calibrate

mutate: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.mutations

faults: $(VENV)/test
	$(BIN)/python -m tests.faults

soak: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.soak

restart: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.restart

units: $(VENV)/test
	$(BIN)/python -m tests.benchmarks.units

loop-bench: $(VENV)/test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.loop_bench

fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: $(VENV)/lint
	.ci/audit $(BIN)/pip-audit

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
