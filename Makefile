# The habits of the house: each target is one command that a person types.
#   make demo       the whole loop on the flights of 2013 (DEMO=once exits at the end)
#   make year       all flights of 2013 on the default monitors beside what was so, for docs/monitoring.md
#   make assistant  the second loop: a documentation assistant on local models (the same)
#   make test       everything that must hold; make lint is part of it
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
SHIPWAY := $(VENV)/bin/shipway
DEMO ?= stay
JOBS ?= 2
# two test processes more than cores: a third of the time a test waits for a server, a window or a clock, and the core with it
WORKERS ?= 4

.PHONY: demo year assistant test tests compiled lint slow docs bench bench-start bench-gateway bench-semantic bench-rag bench-trust bench-render bench-data bench-serving bench-monitoring schema proto lock clean

demo: $(VENV)/.demo
	$(VENV)/bin/python examples/flights/story.py --demo $(DEMO) --report report.json

year: $(VENV)/.demo
	$(VENV)/bin/python examples/flights/year.py --report bench/results/flights.json
	$(VENV)/bin/python examples/flights/tables.py

assistant: $(VENV)/.assistant .demo-docs/5.2
	$(VENV)/bin/python examples/assistant/story.py --demo $(DEMO) --report report.json

.demo-docs/5.2: $(VENV)/.assistant
	$(VENV)/bin/python examples/assistant/get_docs.py .demo-docs

# What waits for nothing is done at once. The tests collect once before they are shared out: what that compiles and rewrites is
# kept for each test process, and for the thousand processes that the tests start, also where Python is told to keep no bytecode.
KEPT := env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m pytest

test: $(VENV)/.dev
	$(MAKE) --no-print-directory -j $(JOBS) lint tests

# PyTorch for the CPU is on no common index: its tests run where its file lies beside what pip is told to find
TORCH := $(if $(wildcard $(PIP_FIND_LINKS)/torch-2.13.0+cpu-*),$(VENV)/torch/.made)

tests: $(VENV)/.dev $(VENV)/terraform/.made $(VENV)/great-expectations/.made $(VENV)/dvc/.made $(VENV)/kserve/.made $(TORCH)
	-$(KEPT) --collect-only > $(VENV)/collected
	$(KEPT) -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# thousands of files that no process of the tests imports, or one or two; to compile all of them takes longer
IN_FEW := '/(tests|moto|numba|fontTools|gevent|matplotlib|pip|setuptools|mypyc?|ray/(rllib|tune|train|serve|llm))/'

compiled: $(VENV)/.dev
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m compileall -q -j $(JOBS) -x $(IN_FEW) $(VENV)/lib src

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check src tests examples bench
	$(VENV)/bin/ruff format --check src tests examples bench
	$(VENV)/bin/mypy

slow: $(VENV)/.dev $(VENV)/great-expectations/.made $(VENV)/dvc/.made $(VENV)/kserve/.made $(VENV)/evidently/.made $(VENV)/nannyml/.made $(TORCH) $(if $(shell command -v npm),$(VENV)/azurite/.made)
	$(VENV)/bin/python -m pytest -m slow

docs: $(VENV)/.dev
	$(VENV)/bin/python -m pytest tests/docs

bench: bench-start bench-gateway bench-semantic bench-rag bench-trust bench-render bench-data bench-serving bench-monitoring
	$(VENV)/bin/python bench/render.py

bench-start: compiled
	$(VENV)/bin/python bench/start.py

bench-gateway: compiled
	$(VENV)/bin/python bench/gateway.py

bench-semantic: compiled
	$(VENV)/bin/python bench/semantic.py

bench-rag: compiled
	$(VENV)/bin/python bench/rag.py

bench-trust: compiled
	$(VENV)/bin/python bench/trust.py

bench-render: compiled
	$(VENV)/bin/python bench/targets.py

# PARTS=snapshots measures that part alone
bench-data: compiled $(VENV)/dvc/.made $(VENV)/great-expectations/.made
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/dvc/bin/python -m compileall -q -j $(JOBS) $(VENV)/dvc/lib
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/great-expectations/bin/python -m compileall -q -j $(JOBS) $(VENV)/great-expectations/lib
	$(VENV)/bin/python bench/data.py $(PARTS)

# PARTS="http batch" measures those alone, QUICK=1 in a tenth of the time; the load is Debian's wrk
PEERS := mlflow mlserver bentoml kserve litserve model

bench-serving: compiled $(PEERS:%=$(VENV)/bench-%/.made)
	$(VENV)/bin/python bench/serving.py $(if $(QUICK),--quick) $(PARTS:%=--part %)

# a part alone: make bench-monitoring PARTS=drift
bench-monitoring: compiled $(VENV)/evidently/.made $(VENV)/nannyml/.made
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/evidently/bin/python -m compileall -q -j $(JOBS) $(VENV)/evidently/lib
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/nannyml/bin/python -m compileall -q -j $(JOBS) $(VENV)/nannyml/lib
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python bench/monitoring.py $(PARTS)

$(PEERS:%=$(VENV)/bench-%/.made): $(VENV)/bench-%/.made: $(UV) requirements/bench-%.lock
	$(UV) venv --quiet --clear $(VENV)/bench-$*
	VIRTUAL_ENV=$(VENV)/bench-$* $(UV) pip install --quiet --require-hashes -r requirements/bench-$*.lock
	-env -u PYTHONDONTWRITEBYTECODE $(VENV)/bench-$*/bin/python -m compileall -q -j $(JOBS) $(VENV)/bench-$*/lib
	touch $@

$(UV): requirements/uv.lock
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/uv.lock
	touch $@

$(VENV)/.demo: $(UV) requirements/demo.lock pyproject.toml
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/demo.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.assistant: $(VENV)/.demo requirements/assistant.lock requirements/models.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/assistant.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes --no-deps -r requirements/models.lock
	touch $@

$(VENV)/.dev: $(VENV)/.assistant requirements/dev.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/dev.lock
	touch $@

$(VENV)/terraform/.made: $(UV) requirements/terraform.lock
	$(UV) venv --quiet --clear $(VENV)/terraform
	VIRTUAL_ENV=$(VENV)/terraform $(UV) pip install --quiet --require-hashes -r requirements/terraform.lock
	touch $@

$(VENV)/great-expectations/.made: $(UV) requirements/great-expectations.lock
	$(UV) venv --quiet --clear $(VENV)/great-expectations
	VIRTUAL_ENV=$(VENV)/great-expectations $(UV) pip install --quiet --require-hashes -r requirements/great-expectations.lock
	touch $@

$(VENV)/dvc/.made: $(UV) requirements/dvc.lock
	$(UV) venv --quiet --clear $(VENV)/dvc
	VIRTUAL_ENV=$(VENV)/dvc $(UV) pip install --quiet --require-hashes -r requirements/dvc.lock
	touch $@

$(VENV)/kserve/.made: $(UV) requirements/kserve.lock
	$(UV) venv --quiet --clear $(VENV)/kserve
	VIRTUAL_ENV=$(VENV)/kserve $(UV) pip install --quiet --require-hashes -r requirements/kserve.lock
	touch $@

# a gigabyte and two: for the slow tests, the vectors of the others, and the measurements
$(VENV)/evidently/.made $(VENV)/nannyml/.made: $(VENV)/%/.made: $(UV) requirements/%.lock
	$(UV) venv --quiet --clear $(VENV)/$*
	VIRTUAL_ENV=$(VENV)/$* $(UV) pip install --quiet --require-hashes -r requirements/$*.lock
	touch $@

$(VENV)/torch/.made: $(UV) requirements/torch.lock
	$(UV) venv --quiet --clear $(VENV)/torch
	VIRTUAL_ENV=$(VENV)/torch UV_FIND_LINKS="$(PIP_FIND_LINKS)" $(UV) pip install --quiet --require-hashes -r requirements/torch.lock
	touch $@

# Azure's own emulator of its blob storage, 190 MB of Node: where there is npm, and for the slow tests alone
$(VENV)/azurite/.made: requirements/azurite/package.json
	mkdir -p $(VENV)/azurite
	cp requirements/azurite/package.json $(VENV)/azurite/
	npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts --prefix $(VENV)/azurite
	touch $@

# the schema of the AWS provider again, out of the 59 MB wheel that carries it: after a module uses a new type, or to compare
schema: $(VENV)/.dev
	$(VENV)/bin/python -m pip download --quiet --require-hashes --no-deps -d $(VENV)/wheels -r requirements/aws-schema.lock
	$(VENV)/bin/python tests/deploy/terraform/extract_schema.py $(VENV)/wheels/cdktf_cdktf_provider_aws-*.whl > aws_schema.json
	mv aws_schema.json tests/deploy/terraform/aws_schema.json

# what predictors read messages of gRPC by, out of the .proto files: after one of them changed
proto: $(VENV)/proto/.made
	cd src/shipway/protocols/proto && $(CURDIR)/$(VENV)/proto/bin/python -m grpc_tools.protoc -I. --descriptor_set_out=descriptors.binpb *.proto

$(VENV)/proto/.made: $(UV) requirements/proto.lock
	$(UV) venv --quiet --clear $(VENV)/proto
	VIRTUAL_ENV=$(VENV)/proto $(UV) pip install --quiet --require-hashes -r requirements/proto.lock
	touch $@

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

lock: $(UV)
	for name in uv demo; do $(COMPILE) requirements/$$name.in -o requirements/$$name.lock; done
	$(COMPILE) -c requirements/demo.lock requirements/assistant.in -o requirements/assistant.lock
	$(COMPILE) --no-deps requirements/models.in -o requirements/models.lock
	for name in gateway rag $(PEERS); do $(COMPILE) requirements/bench-$$name.in -o requirements/bench-$$name.lock; done
	$(COMPILE) -c requirements/demo.lock -c requirements/assistant.lock requirements/dev.in -o requirements/dev.lock
	$(COMPILE) -c requirements/dev.lock src/shipway/environment/overlay.in -o src/shipway/environment/overlay.lock
	$(COMPILE) requirements/proto.in -o requirements/proto.lock
	$(COMPILE) requirements/terraform.in -o requirements/terraform.lock
	$(COMPILE) requirements/great-expectations.in -o requirements/great-expectations.lock
	$(COMPILE) requirements/dvc.in -o requirements/dvc.lock
	$(COMPILE) requirements/kserve.in -o requirements/kserve.lock
	$(COMPILE) requirements/evidently.in -o requirements/evidently.lock
	$(COMPILE) requirements/nannyml.in -o requirements/nannyml.lock
	UV_FIND_LINKS="$(PIP_FIND_LINKS)" $(COMPILE) -c requirements/dev.lock requirements/torch.in -o requirements/torch.lock
	$(COMPILE) -c requirements/dev.lock requirements/image.in -o src/shipway/deploy/image/shipway.lock
	$(COMPILE) --no-deps requirements/embed-weights.in -o embed.lock
	$(COMPILE) -c requirements/dev.lock -c src/shipway/deploy/image/shipway.lock requirements/embed.in >> embed.lock
	mv embed.lock src/shipway/deploy/image/embed.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache report.json
