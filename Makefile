# make course, make test, make lab; make help lists the rest
PYTHON ?= python3
PROFILE ?= laptop
BIN := .venv/bin
# threads that wait for each other give way soon: kits_msan/threads.py tells why
export GOMP_SPINCOUNT ?= 10000
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: help install course test coverage nbval lint style lab notebooks student readme checkpoints scratch ablation peers finepeers doctor site wasm bench clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/installed  ## make .venv with the pinned packages

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) -e '.[test]'
	touch $@

course: install  ## run the five notebooks and train all networks; goes on where it was stopped: make course PROFILE=smoke|laptop|gpu, anew: OVERWRITE=1
	$(BIN)/kits-msan course --profile $(PROFILE) --out runs/$(PROFILE) $(if $(OVERWRITE),--overwrite)

JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
NBVAL := --nbval --nbval-sanitize-with=nbval.cfg

# The first notebook makes the phantoms, for which the others would wait. A worker has a thread: JOBS=4 for four cores.
test: style  ## ruff, mypy (one of the tests), pytest, nbval
	OMP_NUM_THREADS=1 $(PYTEST) $(NBVAL) notebooks/01*.ipynb tests notebooks/0[2-5]*.ipynb

coverage: install  ## which lines no test runs; with Python 3.11 it takes nearly twice as long as the tests alone
	$(PYTEST) --cov=kits_msan --cov-report=term:skip-covered

nbval: install  ## compare the notebooks with their stored outputs
	$(PYTEST) $(NBVAL) notebooks/0*.ipynb

lint: style  ## ruff and mypy alone
	$(BIN)/mypy

style: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

doctor:  ## can this machine run the course, with which profile, in how many minutes?
	@if $(BIN)/kits-msan --version >/dev/null 2>&1; then $(BIN)/kits-msan doctor; else $(PYTHON) -m kits_msan doctor; fi

WASM ?= kits_msan/page/networks/ops.wasm
wasm:  ## the arithmetic of the networks in a page, from ops.ts; needs npm, and only after a change there
	npx --yes --package assemblyscript@0.28.20 asc kits_msan/page/networks/ops.ts -O3 --enable simd --runtime stub -o $(WASM)

site: install  ## the course as pages that open from disk, in site/; of your own run: make site RUN=runs/laptop
	$(BIN)/kits-msan site --out site --overwrite $(if $(RUN),--run $(RUN))

lab: install  ## open your copies of the notebooks in JupyterLab, for this machine only; solutions lie one folder up
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/student/01_data_exploration.ipynb \
	  --LabServerApp.app_settings_dir="$(CURDIR)/notebooks/settings"

notebooks: install  ## run the notebooks as they are committed, and store their outputs
	$(BIN)/python -m kits_msan.course.run

readme: install  ## make the pictures and tables of README and docs/results.md anew; needs Chromium
	$(BIN)/python docs/refresh.py

student: install  ## write the student's copies, without solutions, to notebooks/student; those with work in them stay, else: OVERWRITE=1
	$(BIN)/python -m kits_msan.course.student $(if $(OVERWRITE),--overwrite)

# on new patients, and then scored on others: with another SEED each time. On a GPU: FIVE=shipped-gpu STEPS=2000 MEAN=
STEPS ?= 4000
SEED ?= 202
FIVE ?= shipped
MEAN ?= 1
RUN_FIVE := runs/checkpoints-$(SEED)
checkpoints: install  ## train the shipped networks on, STEPS=4000 SEED=202, take the mean of before and after (MEAN=1), and score it; says for how long; goes on
	@echo "5 networks, $(STEPS) steps each. On a core of its own a step takes 0.4 to 1 s: up to $$(($(STEPS) * 5 / 3600 + 1)) hours. On an H200 all five at once took 0.2 s."
	set -e; for name in unet3d msan_v1 msan_v1_ds msan_v2 msan_v2_ds; do \
	  test -e $(RUN_FIVE)/$$name/model.safetensors || $(BIN)/kits-msan train $$name --profile $(FIVE) --steps $(STEPS) \
	    --seed $(SEED) --start-from data/checkpoints/$$name.safetensors --out $(RUN_FIVE)/$$name; \
	  mkdir -p $(RUN_FIVE)/after; \
	  test -e $(RUN_FIVE)/after/$$name.safetensors || $(BIN)/python -m kits_msan.networks.average \
	    $(if $(MEAN),data/checkpoints/$$name.safetensors) $(RUN_FIVE)/$$name/model.safetensors $(RUN_FIVE)/after/$$name.safetensors; \
	done
	test -e data/phantoms-$(SEED)/split.json || \
	  $(BIN)/kits-msan phantom data/phantoms-$(SEED) --profile shipped --seed $(SEED) --cases 72 --test 72
	$(BIN)/kits-msan ablation --data data/phantoms-$(SEED) --profile $(FIVE) --steps $(STEPS) --seed $(SEED) \
	  --checkpoints $(RUN_FIVE)/after --out $(RUN_FIVE)/scores
	for name in unet3d msan_v1 msan_v1_ds msan_v2 msan_v2_ds; do \
	  cp $(RUN_FIVE)/after/$$name.safetensors data/checkpoints/$$name.safetensors; \
	  cp $(RUN_FIVE)/$$name/metrics.csv data/checkpoints/$$name.csv; \
	done
	cp $(RUN_FIVE)/scores/*.csv $(RUN_FIVE)/scores/about.json $(RUN_FIVE)/scores/table.md data/shipped

scratch: install  ## the comparison of data/ablation: all networks and peers from the start, one fixed set; two hours on two cores
	$(BIN)/kits-msan phantom data/phantoms-664 --cases 664 --test 24 --overwrite
	$(BIN)/kits-msan ablation --data data/phantoms-664 --steps 10000 --peers --devices 2 --out runs/scratch --overwrite
	cp runs/scratch/*.csv runs/scratch/about.json runs/scratch/table.md data/ablation
	set -e; mkdir -p data/ablation/curves; for name in unet3d msan_v1 msan_v1_ds msan_v2 msan_v2_ds; do \
	  cp runs/scratch/seed-0/$$name/metrics.csv data/ablation/curves/$$name.csv; \
	done

ablation: install  ## three trainings of every network, its peers and variants, tabulated: two hours on two cores; goes on
	test -e data/phantoms-664/split.json || $(BIN)/kits-msan phantom data/phantoms-664 --cases 664 --test 24
	$(BIN)/kits-msan ablation --data data/phantoms-664 --peers --variants --seeds 3 --devices 2 --out runs/ablation
	mkdir -p data/ablation-seeds
	cp runs/ablation/*.csv runs/ablation/about.json runs/ablation/table.md data/ablation-seeds

peers: install  ## three trainings of the five networks and of MONAI's two, on version 4: an hour on two cores; goes on
	test -e data/phantoms-712/split.json || $(BIN)/kits-msan phantom data/phantoms-712 --cases 712 --test 72 --seed 707
	$(BIN)/kits-msan ablation --data data/phantoms-712 --peers --seeds 3 --devices 2 --out runs/peers
	cp runs/peers/*.csv runs/peers/about.json runs/peers/table.md data/peers

finepeers: install  ## the same two beside the five from the start, at the voxels that ship, on new patients: two hours on two cores; goes on
	test -e data/phantoms-1515/split.json || $(BIN)/kits-msan phantom data/phantoms-1515 --profile shipped --seed 1515 --cases 72 --test 72
	$(BIN)/kits-msan ablation --data data/phantoms-1515 --profile shipped --steps 1600 --seed 1017 --peers --devices 2 --out runs/finepeers
	mkdir -p data/finepeers
	cp runs/finepeers/*.csv runs/finepeers/about.json runs/finepeers/table.md data/finepeers

bench: install  ## measure speed and memory against peers; minutes, on a machine that does nothing else
	set -e; for part in step busy inference memory slabs phantom start viewer page; do $(BIN)/python benchmarks/$$part.py; done

clean:  ## remove the environment and all runs
	rm -rf .venv runs site
