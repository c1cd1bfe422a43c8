# On a fresh machine with Python 3.11 or newer, each of these makes the environment that it needs:
#   make demo   a kernel classifier compiled and run on the simulated chip
#   make test   the tests
#   make fuzz   hostile files of all kinds, for FUZZ_SECONDS or FUZZ_MUTANTS
#   make crash  kill -9, full disks, two processes on one file
#   make site   the documentation as a site, in build/site
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/demo
READY := $(VENV)/ready
FUZZ_SECONDS ?= 600
FUZZ_MUTANTS ?= 1000000000
FUZZ_SEED ?= 0
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c tools/constraints.txt

.PHONY: demo test check docs site bench fuzz crash clean

demo: $(DEMO)
	@tools/demo.sh $(BIN)

test: $(READY)
	$(BIN)/python -m pytest -n 2 -q

check: $(READY)
	tools/check.sh $(BIN)

docs: $(READY)
	$(BIN)/python tools/docs.py --write

site: $(READY)
	$(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/python tools/bench/startup.py
	$(BIN)/python tools/bench/studies.py
	$(BIN)/python tools/bench/mvm.py
	$(BIN)/python tools/bench/models.py
	$(BIN)/python tools/bench/peers.py
	$(BIN)/python tools/bench/programming.py
	$(BIN)/python tools/bench/timing.py
	$(BIN)/python tools/bench/compile.py
	$(BIN)/python tools/bench/training.py

fuzz: $(READY)
	$(BIN)/python tools/fuzz --seconds $(FUZZ_SECONDS) --mutants $(FUZZ_MUTANTS) --seed $(FUZZ_SEED)

crash: $(READY)
	$(BIN)/python tools/crash

# Two stamps: what the demo needs, and all that tests, checks and documents need beyond it.
$(DEMO): pyproject.toml tools/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "1 of 2: torch, the largest package"
	@$(INSTALL) torch==2.13.0
	@echo "2 of 2: hermesc and what the demo needs"
	@$(INSTALL) -e '.[sklearn]'
	@touch $@

$(READY): $(DEMO)
	@echo "the rest: tools for tests, checks and documents"
	@$(INSTALL) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build
