# Every target sets itself up: the first one run creates .venv from constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check fmt fuzz language-server bench clean
.DEFAULT_GOAL := test

# torch goes first and alone, so that a CPU wheel that pip can see locally wins over the CUDA build of the index.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cuvisc needs Python 3.11 or newer, found " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,monitors,cpu,data,sweep,dev]'
	@touch $@

demo: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh demo

test: $(STAMP)
	OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m pytest -n 2

bench: $(STAMP)
	$(BIN)/python -m benchmarks --page docs

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@find cuvisc tests benchmarks examples -name '*.py' -size +0 -exec wc -l {} \; | sort -n | awk ' \
	  { lines[NR] = $$1; if ($$1 > 400) { print $$2 ": " $$1 " lines, over 400"; bad = 1 } } \
	  END { print NR " source files, median " lines[int((NR + 1) / 2)] " lines, longest " lines[NR]; exit bad }'

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Ten thousand random changes to the shipped specs; none may end in a traceback.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz

# What the tests of editors drive; they are skipped without it.
language-server:
	npm install --no-audit --no-fund --prefix build/yaml-language-server yaml-language-server@1.25.0

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
