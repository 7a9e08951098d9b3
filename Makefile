# Thin on purpose: what a target does is Python in dev/slipway_dev. `make help` lists the targets.
# Compiled modules are kept: without them each of hundreds of servers under test compiles them anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON3 ?= python3
PYTHON := .venv/bin/python
SLIPWAY_DEV := PYTHONPATH=tests $(PYTHON) -m slipway_dev
CLUSTER_TESTS := $(PYTHON) -m pytest tests/cluster
TOOLS := $(PYTHON) -m support.tools
READY := .venv/.ready
CLIENTS := .venv-clients/.ready
FUZZ := .venv-fuzz/.ready
PEERS := $(patsubst %,.venv-peer-%/.ready,kserve mlserver triton)
BENCH := PYTHONPATH=bench $(PYTHON) -m slipway_bench
BENCH_SECONDS ?= 3
BENCH_ROUNDS ?= 5
MINUTES ?= 30
CLEAN ?= 200
ROLLOUTS ?= 50
MORE ?= 0
OBJECTS ?= 1000 5000
SCALE_OPTIONS ?=
FUZZ_SECONDS ?= 600
UV ?= uv
LOCK := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: help demo demo-down cluster cluster-down images deploy check lint test retest bench bench-peers \
	bench-faults bench-operator bench-rollouts soak fuzz lock
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

check: ## lint, types, import rules and the tests that need no cluster
	@$(MAKE) --no-print-directory --jobs=2 lint $(CLIENTS)
	$(PYTHON) -m pytest --quiet -m "not cluster" --numprocesses=auto --dist=loadfile

lint: $(READY)
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

test: check deploy ## every test, those without a cluster first
	@PYTHONPATH=tests $(TOOLS) gitops grpc packaging
	@failed=0; \
	PYTHONPATH=tests nice -n 19 $(TOOLS) gateway > .venv/gateway.log 2>&1 & gateway=$$!; \
	$(CLUSTER_TESTS) -m "not alone" --numprocesses=2 --dist=loadfile || failed=1; \
	wait $$gateway || { cat .venv/gateway.log; failed=1; }; \
	$(CLUSTER_TESTS) -m alone || failed=1; \
	exit $$failed

retest: deploy ## once more those tests of the cluster that failed, or all of them if none did
	@PYTHONPATH=tests $(TOOLS) gateway gitops grpc packaging
	$(CLUSTER_TESTS) --last-failed

bench: $(READY) ## measure the runtime's speed, beside the peers that `make bench-peers` installed
	$(BENCH) run --seconds $(BENCH_SECONDS) --rounds $(BENCH_ROUNDS)

bench-peers: $(PEERS) ## install MLServer, KServe's Python server and Triton, to be measured beside ours

bench-operator: $(READY) ## measure the operator with OBJECTS="1000 5000" on a control plane of its own
	$(BENCH).scale run --objects $(OBJECTS) $(SCALE_OPTIONS)

soak: $(READY) ## ask everything for MINUTES=30, and check every answer
	$(BENCH) soak --minutes $(MINUTES)

bench-faults: $(READY) ## seed faults into a model, and see what catches them before it has callers
	PYTHONPATH=bench:tests $(PYTHON) -m slipway_bench faults --clean $(CLEAN)

bench-rollouts: $(READY) ## roll out ROLLOUTS=50 revisions, give up as many and roll out MORE=0 under load, on the cluster
	PYTHONPATH=bench:tests $(PYTHON) -m slipway_bench rollouts --count $(ROLLOUTS) --more $(MORE)

fuzz: $(FUZZ) ## search for requests that break the parsers, for FUZZ_SECONDS=600, half of it over gRPC
	export PYTHONPATH=runtime:tests; half=$$(($(FUZZ_SECONDS) / 2)); \
	.venv-fuzz/bin/python tests/fuzz/requests.py -max_total_time=$$half tests/fuzz/corpus && \
	.venv-fuzz/bin/python tests/fuzz/calls.py -max_total_time=$$half -timeout=20 tests/fuzz/grpc_corpus

lock: ## pin the newest dependencies that pyproject.toml allows (needs uv)
	$(LOCK) --extra operator --output-file locks/operator.txt
	$(LOCK) --extra runtime --extra tracing --output-file locks/runtime.txt
	$(LOCK) --extra dev --output-file locks/dev.txt
	$(LOCK) --extra clients --output-file locks/clients.txt
	$(LOCK) --extra fuzz --output-file locks/fuzz.txt
	for peer in kserve mlserver triton; do \
		$(subst pyproject.toml,bench/peers/$$peer.in,$(LOCK)) --output-file locks/peer-$$peer.txt || exit; \
	done

$(READY): locks/dev.txt pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON3) is missing or older than 3.11: install a newer one, or name it: make PYTHON3=python3.11' >&2; exit 1; }
	@PYTHONPATH=dev $(PYTHON3) -m slipway_dev.venv
	@touch $@

$(CLIENTS) $(FUZZ) $(PEERS): .venv-%/.ready: locks/%.txt | $(READY)
	@PYTHONPATH=dev $(PYTHON3) -m slipway_dev.venv $*
	@touch $@
