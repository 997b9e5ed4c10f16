# `make` lists the targets. The first one that needs it creates .venv with the pinned packages.
# Another Python, before .venv is there: make book PYTHON=python3.12
PYTHON ?=
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv book test portable oldest outputs slides student bench clean elsewhere

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

venv: $(STAMP) ## create .venv with the pinned packages

# A virtual environment knows the folder it was made in: one that was copied or moved is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): elsewhere
endif
$(STAMP): pyproject.toml constraints.txt setup.py tools/venv.sh
	@bash tools/venv.sh "$(VENV)" "$(STAMP)" "$(PYTHON)"

book: $(STAMP) ## execute the chapters and build _build/html
	@$(PY) tools/book.py build

test: $(STAMP) ## check everything: code, chapters, ledger, the built pages
	@$(PY) tools/test.py

portable: $(STAMP) ## run package, chapters and stored tables under each BLAS kernel; say what differs
	@$(PY) tools/test.py portable

oldest: ## run the package tests with the oldest versions that pyproject.toml allows
	@bash tools/oldest.sh $(PYTHON)

outputs: $(STAMP) ## execute the chapters (or NAMES="a b"), store their outputs, show the diff
	@$(PY) tools/book.py outputs $(NAMES)

slides: $(STAMP) ## build the slides of six lectures and _build/figures.zip from the pages
	@$(PY) tools/book.py slides

student: $(STAMP) ## write notebooks without solutions to _build/student
	@$(PY) tools/book.py student

bench: $(STAMP) ## time the fast paths against plain ones, side by side
	@OPENBLAS_NUM_THREADS=1 $(PY) -m pytest benchmarks -q -s --benchmark-only --benchmark-disable-gc --benchmark-group-by=group --benchmark-columns=min,median,ops

clean: ## remove _build and the tools' caches (keeps .venv)
	rm -rf _build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
