# What people type. Each target sets up .venv first, which takes no time when nothing changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
unexport VIRTUAL_ENV

# The bundled digits, with a recipe that suits 1,797 images.
DIGITS := -S dataset=digits -S validation_size=200 -S learning_rate=0.001 -S epochs=20
JOBS := 1
TRIALS := 20
# Where the trials of `make search` are kept: search.db if unset. By the environment, because all can read a command line.
ifdef STORAGE
export MNIST_VAE_SEARCH_STORAGE = $(STORAGE)
endif
# What `make sweep` combines: values in YAML, lists in brackets.
SWEEP := kl_weight=0.01,0.1,1 latent_dim=16,128
PORT := 5000
# The environment of the peer library that `make bench` measures.
PEER := .venv-pythae
RUN := HEAD
ALIAS :=
REVS :=
# Where known vulnerabilities are looked up.
OSV := https://api.osv.dev/v1/query
# By default on the bundled digits, which takes some minutes.
KILLS := 20
SEED := 0
REPORT := torture.json
CHANGES := dataset=digits validation_size=200 learning_rate=0.001 epochs=20
BACK := git restore params.yaml dvc.lock reports

.PHONY: help setup repro demo test lint format lock readme bench growth ui preset compare sweep search verify torture audit

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv hold what requirements.txt locks
	@sh tools/setup.sh

# DVC writes .dvc/tmp/rwlock in place: killed in that moment, it leaves it empty, and refuses it afterwards.
repro: setup ## run what changed of the pipeline; on the bundled digits if the data set cannot be had
	@rm -f .dvc/tmp/data-set-unreachable
	@[ -s .dvc/tmp/rwlock ] || rm -f .dvc/tmp/rwlock
	@dvc repro || { [ -e .dvc/tmp/data-set-unreachable ] && $(MAKE) --no-print-directory fallback; }
	@$(MAKE) --no-print-directory results

demo: setup ## a small complete run on scikit-learn's digits, without any network, as the experiment digits-demo
	@dvc exp run --force --name digits-demo $(DIGITS)
	@$(MAKE) --no-print-directory results
	@echo 'This was the experiment digits-demo. To get back to what was committed: $(BACK)'

preset: setup ## run one system of presets.yaml as an experiment: make preset NAME=vanilla
	@PYTHONPATH=src python tools/presets.py run "$(NAME)"

compare: setup ## run all of presets.yaml by DVC's queue, JOBS at a time, and compare them in reports/comparison
	@PYTHONPATH=src python tools/compare.py "$(JOBS)"

sweep: setup ## run every combination of SWEEP by DVC's queue, JOBS at a time: make sweep SWEEP='kl_weight=0.1,1 latent_dim=16'
	@PYTHONPATH=src python tools/sweep.py "$(SWEEP)" "$(JOBS)"

search: setup ## search the parameters of search.yaml, until the study has TRIALS trials, JOBS at a time
	@PYTHONPATH=src python tools/search.py "$(TRIALS)" "$(JOBS)"

.PHONY: track runs show plots register rounding fallback results
fallback:
	@echo
	@echo '######################################################################################'
	@echo '##  The data set cannot be reached, so this runs on the 1,797 bundled digits instead.'
	@echo '##  It is the DVC experiment digits-instead, not the result of params.yaml as it was.'
	@echo '##  To get back: $(BACK)'
	@echo '##  then, with a network or with MNIST_MIRROR set:  make repro'
	@echo '######################################################################################'
	@echo
	@dvc exp run --force --name digits-instead $(DIGITS)

results:
	@echo
	@echo "Data set: $$(sed -n 's/^dataset: *\([a-z-]*\).*/\1/p' params.yaml)"
	@echo 'Pictures: reports/figures    Numbers: reports/metrics.json, dvc metrics show'
	@echo 'Runs:     . .venv/bin/activate && mlflow ui    (or: make ui)'

test: setup ## run the tests; with MNIST_MIRROR set, on the real files too
	@python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: setup ## check style and types
	@ruff check .
	@ruff format --check .
	@pyright

format: setup ## put the code into the one format
	@ruff check --fix --quiet . || true
	@ruff format .

lock: setup ## write requirements.txt anew from pyproject.toml
	@uv pip compile pyproject.toml --extra dev --universal --generate-hashes --quiet --output-file requirements.txt

readme: setup ## put the tables of results and parameters into README.md
	@PYTHONPATH=src:tests python tools/readme.py

torture: setup ## kill the pipeline KILLS times at random moments, and compare its end with an undisturbed one
	@PYTHONPATH=src python tools/torture.py $(KILLS) $(SEED) $(REPORT) $(CHANGES)

verify: setup ## run the last commit's configuration again, elsewhere, and compare the results with the committed ones
	@PYTHONPATH=src python tools/verify.py

audit: setup ## check what is installed, the code and its habits for security
	@PYTHONPATH=src python tools/audit.py $(OSV)

bench: setup ## measure speed, memory and costs, each against others, into benchmarks/; only on a quiet machine
	@[ -e $(PEER)/bin/python ] || uv venv --quiet $(PEER)
	@uv pip install --quiet --python $(PEER) --requirement benchmarks/contestants/pythae.txt
	@for name in throughput step_profile pipeline tracking reliability scaling rounding; do \
		python benchmarks/$$name.py || exit 1; done

track: setup ## enter into MLflow what it lacks: what waited while it failed, and the workspace's result
	@PYTHONPATH=src python tools/track.py

runs: setup ## show DVC's experiments and MLflow's runs in one table
	@PYTHONPATH=src python tools/runs.py

register: setup ## give the model of RUN (HEAD, an experiment, a run's id) the alias ALIAS in MLflow's registry
	@PYTHONPATH=src python tools/register.py "$(RUN)" "$(ALIAS)"

show: setup ## show the experiments in one table: main metrics, kl_weight and the parameters that differ
	@PYTHONPATH=src python tools/show.py

plots: setup ## draw charts and pictures without a network, of REVS side by side: make plots REVS="HEAD my-exp"
	@PYTHONPATH=src python tools/plots.py "$(REVS)"

ui: setup ## look at the runs, in a browser on this machine
	@echo 'Runs: http://127.0.0.1:$(PORT)/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=overview'
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1 --port $(PORT) --workers 1
