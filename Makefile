# Thin on purpose: what a target does is Python in dev/slipway_dev. `make help` lists the targets.
PYTHON3 ?= python3
PYTHON := .venv/bin/python
SLIPWAY_DEV := PYTHONPATH=tests $(PYTHON) -m slipway_dev
READY := .venv/.ready
UV ?= uv
LOCK := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
PURE := $(filter-out tests/cluster,$(wildcard tests/contract tests/slipway_*))

.PHONY: help demo demo-down cluster cluster-down images deploy check lint test bench lock
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## from nothing to a prediction: cluster, images, operator, model
	@$(SLIPWAY_DEV).demo

demo-down: $(READY) ## remove all that `make demo` and `make cluster` made
	@$(SLIPWAY_DEV) down --purge

cluster: $(READY) ## bring up the local cluster
	@$(SLIPWAY_DEV) up

cluster-down: $(READY) ## stop the local cluster, and keep its data
	@$(SLIPWAY_DEV) down

images: $(READY) ## build the images; REGISTRY=NAME names them and PUSH=1 sends them there
	@$(SLIPWAY_DEV).images $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(PUSH),--push)

deploy: $(READY) ## bring up the cluster and install the CRD and the operator of this checkout
	@$(SLIPWAY_DEV) up
	@$(SLIPWAY_DEV).deploy

check: lint ## lint, types, import rules and the tests that need no cluster
	$(PYTHON) -m pytest --quiet -m "not cluster"

lint: $(READY)
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

test: lint deploy ## every test, those without a cluster first
	$(PYTHON) -m pytest $(PURE) tests/cluster

bench: $(READY) ## measure the runtime's speed
	$(PYTHON) bench/rest.py

lock: ## pin the newest dependencies that pyproject.toml allows (needs uv)
	$(LOCK) --extra operator --output-file locks/operator.txt
	$(LOCK) --extra runtime --output-file locks/runtime.txt
	$(LOCK) --extra dev --output-file locks/dev.txt

$(READY): locks/dev.txt pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON3) is missing or older than 3.11: install a newer one, or name it: make PYTHON3=python3.11' >&2; exit 1; }
	@PYTHONPATH=dev $(PYTHON3) -m slipway_dev.venv
	@touch $@
