# The commands of every day. A command with arguments is a script: python tools/NAME.py --help
# Each target sets up .venv first, which takes no time if nothing changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
unexport VIRTUAL_ENV

# The settings of a run on the 1,797 bundled digits.
DIGITS := -S dataset=digits -S validation_size=200 -S epochs=8 -S batch_size=32 -S learning_rate=0.008 \
	-S learning_rate_schedule=one_cycle -S 'adam_betas=[0.8,0.95]'
PORT := 5000
# The environment of the peer library that `make bench` measures.
PEER := .venv-pythae

.PHONY: help setup repro demo test lint format lock readme bench sync ui digits

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'With --help each: python tools/presets.py, compare.py, page.py, search.py, plots.py, verify.py, crash_test.py, register.py, ui.py'

setup: ## install the packages of requirements.txt into .venv
	@sh tools/setup.sh

repro: setup ## run the stages that changed; on the bundled digits if the data set cannot be reached
	@rm -f .dvc/tmp/data-set-unreachable
	@python tools/unlock.py
	@if dvc repro; then \
		echo; \
		echo "Data set: $$(sed -n 's/^dataset: *\([a-z-]*\).*/\1/p' params.yaml)"; \
		echo 'Page:     reports/report.html, which opens in a browser and shows everything'; \
		echo 'Pictures: reports/figures    Numbers: reports/metrics.json, dvc metrics show'; \
		echo 'Runs:     make ui'; \
	elif [ -e .dvc/tmp/data-set-unreachable ]; then \
		echo; \
		echo '##  The data set cannot be reached, so this runs on the 1,797 bundled digits instead.'; \
		echo '##  It is not the result of params.yaml. With a network or with MNIST_MIRROR set:  make repro'; \
		echo; \
		$(MAKE) --no-print-directory digits; \
	else exit 1; fi

demo: setup digits ## a small complete run on scikit-learn's digits, without a download; the results are in demo/

# It runs in a copy of the repository, so that params.yaml and the results here do not change.
digits:
	@[ "$$(git rev-parse --is-shallow-repository)" = false ] || \
		{ echo 'this clone is shallow, and DVC cannot keep experiments in it: type git fetch --unshallow' >&2; exit 1; }
	@dvc exp run --temp --force --name digits-demo $(DIGITS)
	@git archive --output .dvc/tmp/demo.tar "refs/exps/$$(git rev-parse HEAD | sed 's,..,&/,')/digits-demo" reports
	@rm -rf demo && mkdir demo && tar -x -f .dvc/tmp/demo.tar -C demo --strip-components=1 && rm .dvc/tmp/demo.tar
	@python tools/page.py digits-demo --out demo/report.html >/dev/null
	@echo
	@echo 'Page: demo/report.html, which opens in a browser and shows everything'
	@echo 'Data set: digits. Pictures: demo/figures    Numbers: demo/metrics.json    Runs: make ui'
	@echo 'This was the experiment digits-demo; to have it in the workspace: dvc exp apply digits-demo'

test: setup ## run the tests; with MNIST_MIRROR set, on the real files too
	@python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: setup ## check style, security rules and types
	@ruff check .
	@ruff format --check .
	@pyright

format: setup ## format the code
	@ruff check --fix --quiet . || true
	@ruff format .

lock: setup ## write requirements.txt from pyproject.toml
	@uv pip compile pyproject.toml --extra dev --universal --generate-hashes --quiet --output-file requirements.txt

readme: setup ## write the generated blocks of README.md and docs/, and copy the run's page to docs/run.html
	@python tools/readme.py

bench: setup ## run all benchmarks, with results in benchmarks/; only while nothing else runs on the machine
	@[ -e $(PEER)/bin/python ] || uv venv --quiet $(PEER)
	@uv pip install --quiet --python $(PEER) --requirement benchmarks/contestants/pythae.txt
	@for name in throughput quality recipe_search neighbour step_profile pipeline tracking reliability scaling rounding; do \
		python benchmarks/$$name.py || exit 1; done

sync: setup ## log the results that are missing in MLflow, for example after an outage
	@python tools/sync.py

ui: setup ## start MLflow's pages on this machine, and print the address of the runs
	@python tools/ui.py --port $(PORT)
