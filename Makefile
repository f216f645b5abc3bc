# What you can make: demo, test, lint, fuzz; each builds .venv first when it is missing or older than what it is built from.
#   PYTHON=/path/to/python3.11        the Python to use, instead of the first usable of 3.11, 3.12, 3.13, 3.14, 3.10
#   TORCH_OPTIONS='--index-url URL'   pip options for torch alone, for example the index of its CPU builds
#   PYTEST_OPTIONS='-k clock -x'      passed on by `make test`; '-n 0' runs everything in one process

CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3.10 python3 python)
USABLE := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))
PIP_INSTALL := .venv/bin/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test lint fuzz setup clean

demo: setup
	@mkdir -p out
	.venv/bin/headsync talk --audio examples/speech.flac --refs examples/astronaut.jpg --out out/demo.mp4

# A process per core, each with one thread: networks as small as the tests' gain nothing from a second one. A file's tests
# stay together, since they share what is made once for them.
test: setup
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	    $(PYTEST_OPTIONS)

lint: setup
	.venv/bin/python -m ruff check .

# Ten thousand damaged files for the commands and their readers; FUZZ_SEED=1 makes others. See docs/trust.md.
fuzz: setup
	OMP_NUM_THREADS=1 .venv/bin/python -m tests.fuzz_run 10000 --seed $(or $(FUZZ_SEED),0)

setup: .venv/.ready

clean:
	rm -rf .venv .pytest_cache .ruff_cache build dist *.egg-info out

.venv/.made:
	@for python in $(CANDIDATES); do \
	    if "$$python" -c '$(USABLE)' 2>/dev/null; then \
	        echo "$$python -m venv .venv"; "$$python" -m venv .venv && touch $@; exit; \
	    fi; \
	done; \
	echo "headsync: no usable Python among: $(CANDIDATES). Install Python 3.10 to 3.14 with venv, or say PYTHON=/path/to/it" >&2; \
	exit 2

# torch first and pinned: a plain requirement, met later by another package's wish, can pull gigabytes of CUDA packages.
.venv/.installed: .venv/.made setup.cfg pyproject.toml constraints.txt
	$(PIP_INSTALL) $(TORCH_OPTIONS) torch
	$(PIP_INSTALL) --editable '.[train,eval,dev]'
	touch $@

# Machines without a display lack what OpenCV's desktop builds load; see headsync/commands/setup_opencv.py.
.venv/.ready: .venv/.installed headsync/commands/setup_opencv.py
	.venv/bin/headsync setup-opencv
	touch $@
