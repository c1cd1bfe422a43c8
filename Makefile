# Two commands do everything on a fresh machine with Python 3.11 or newer:
#   make demo   the environment, then a kernel classifier compiled and run on the simulated chip
#   make test   the environment, then the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo test check docs bench clean

demo: $(READY)
	@tools/demo.sh $(BIN)

test: $(READY)
	$(BIN)/python -m pytest -n 2 -q

check: $(READY)
	tools/check.sh $(BIN)

docs: $(READY)
	$(BIN)/python tools/docs.py --write

bench: $(READY)
	$(BIN)/python tools/bench/startup.py
	$(BIN)/python tools/bench/mvm.py
	$(BIN)/python tools/bench/programming.py
	$(BIN)/python tools/bench/timing.py
	$(BIN)/python tools/bench/compile.py

$(READY): pyproject.toml tools/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c tools/constraints.txt torch==2.13.0
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c tools/constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build
