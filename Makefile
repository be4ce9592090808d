# One menu of commands; `make help` prints it. Only the set-up uses the network,
# for pip, and `make demo`, which tries to fetch a better picture model and goes on without it.
# Set-up happens once, and again for a changed requirements file. Works in a path with spaces.

.SILENT:
.DEFAULT_GOAL := help

# Given on the command line (make demo VIDEOS=... ) or in the environment; the recipes read them
# from their environment, so that any character may stand in a path.
VIDEOS ?=
CLASSES ?=
PYTHON ?=
export VIDEOS CLASSES PYTHON

PY := .venv/bin/python
INSTALLED := .venv/requirements-installed
DEV_INSTALLED := .venv/requirements-dev-installed
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

# Takes the first Python that is new enough, or the one named by PYTHON and no other.
define MAKE_VENV
for candidate in "$${PYTHON:-python3}" $${PYTHON:-python3.13 python3.12 python3.11 python3.10} ""; do \
	if [ -z "$$candidate" ]; then \
		echo "Python 3.10 or newer is needed and $${PYTHON:-python3} is not:" \
			"install one, or name one with PYTHON=..." >&2; \
		exit 1; \
	fi; \
	new_enough='import sys; sys.exit(sys.version_info < (3, 10))'; \
	if "$$candidate" -c "$$new_enough" 2>/dev/null; then break; fi; \
done; \
if ! "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "$$candidate cannot make virtual environments: apt-get install python3-venv" \
		"(on Debian and Ubuntu)" >&2; \
	exit 1; \
fi; \
"$$candidate" -m venv .venv || { rm -rf .venv; exit 1; }
endef

.PHONY: help demo results samples test test-fast check bench clean

help:
	echo 'make demo      set up, compose sample videos if classify/ has no video, classify, show the page'
	echo 'make results   the same without the page'
	echo 'make samples   compose the sample videos'
	echo 'make test      set up and run all tests'
	echo 'make test-fast the same without what needs models, a browser or much video'
	echo 'make check     formatter, linter and types'
	echo 'make bench     print the benchmark tables'
	echo 'make clean     remove the virtual environment and caches; videos and results stay'
	echo
	echo 'Your own videos and classes:  make demo VIDEOS=/path/to/folder CLASSES=my-classes.json'
	echo 'Another Python (3.10 or newer):  make demo PYTHON=python3.12'

# What was just fetched looks at every picture anew.
demo: samples
	$(PY) -m engine.models fetch --optional
	$(PY) pipeline.py --reindex yes $${VIDEOS:+--videos "$$VIDEOS"} $${CLASSES:+--classes "$$CLASSES"} || [ $$? -eq 1 ]
	exec $(PY) app.py $${VIDEOS:+--videos "$$VIDEOS"}

results: samples
	$(PY) pipeline.py $${VIDEOS:+--videos "$$VIDEOS"} $${CLASSES:+--classes "$$CLASSES"}

# Samples are for a folder of ours: a folder that the user names is left as it is.
samples: $(INSTALLED)
	[ -n "$$VIDEOS" ] || $(PY) -m steps.samples

test: $(DEV_INSTALLED)
	$(PY) -m pytest

test-fast: $(DEV_INSTALLED)
	$(PY) -m pytest -m "not slow"

check: $(DEV_INSTALLED)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	.venv/bin/oxlint --config oxlint.json static tests/static

bench: samples
	set -e; for program in $(filter-out bench/make_% bench/labelled.py,$(wildcard bench/*.py)); do \
		echo "## $$program"; $(PY) "$$program"; echo; \
	done

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt
	if [ ! -x $(PY) ]; then $(MAKE_VENV); fi
	echo 'Installing requirements.txt into .venv; this takes a minute or two and happens once'
	$(PIP_INSTALL) -r requirements.txt
	touch $@

$(DEV_INSTALLED): requirements-dev.txt $(INSTALLED)
	$(PIP_INSTALL) -r requirements-dev.txt
	touch $@
