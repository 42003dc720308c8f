# The commands of a working day. `make` alone lists them.

PYTHON ?= python3
TOPOLOGY ?= labs/default.yaml
RESULTS := build/allure-results
# In this order: what smoke finds broken need not be broken on purpose. There are more: suites/nodes,
# suites/devices, suites/lifecycle, suites/identity, suites/rotation, suites/services, suites/spire, suites/metrics,
# suites/sandbox, suites/scheduling, suites/memory, suites/fleet, suites/cache, suites/walls, suites/gitops, suites/functions,
# suites/models, suites/pools, suites/nodejobs, suites/plantday (with -m long_running), suites/regressions, suites/stacks, and
# suites/external, which `make external` runs.
SUITES ?= suites/smoke suites/network suites/autonomy
# What every change has to pass: nodes, pods, devices and samples as they should be, a plan of faults,
# every declared endpoint tried by wrong peers, and a reboot while offline.
CORE := $(patsubst %,suites/smoke/test_%.py,nodes pods devices samples twins checkpoints) \
	suites/network/test_plans.py \
	suites/identity/test_endpoints.py \
	suites/autonomy/test_offline.py::test_pods_are_back_before_the_network_is
STACKS ?= kubernetes+openyurt kubernetes+kubelet
FUZZ_TIME ?= 10m
# How the framework's own tests are spread over processes: a file stays whole, with what it shares,
# and those that take long come first (tests/spread.py). One process more than two cores: many tests wait.
SPREAD ?= -n 3 --dist loadfile --no-loadscope-reorder
# What `make bench-gate` compares the working tree with, and how many times as slow that may be.
BASE ?= HEAD^
GATE ?= 1.25
BIN := .venv/bin
# Quick when nothing has changed: each stamp is older than nothing it was made from.
VENV_STAMP := .venv/.edge-lab-installed
HOST_STAMP := .venv/.edge-lab-host-packages
SSLYZE_STAMP := build/peers/sslyze/.edge-lab-installed
# labgrid brings a plugin for pytest and its own pyserial, so it is installed in a separate folder.
HARDWARE := build/hardware
HARDWARE_STAMP := $(HARDWARE)/.edge-lab-installed
WITH_HARDWARE = PYTHONPATH=$(CURDIR)/$(HARDWARE)$${PYTHONPATH:+:$$PYTHONPATH}

.DEFAULT_GOAL := help
.PHONY: help setup lab-up lab-down test unit unit-all native coverage peers browser fuzz hardware external suites compare check format schema bench \
	bench-gate report clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV_STAMP) ## Install the host packages (apt, as root) and the Python environment

$(HOST_STAMP): images/install-host-packages.sh images/host-packages.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "edge-lab needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install one, or set its path: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	bash images/install-host-packages.sh
	@mkdir -p $(@D) && touch $@

$(VENV_STAMP): pyproject.toml $(HOST_STAMP)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

lab-up: setup ## Start the lab (TOPOLOGY=labs/default.yaml); builds missing components
	$(BIN)/lab up $(TOPOLOGY)

lab-down: setup ## Stop the lab and remove everything except the cache
	$(BIN)/lab down

test: check unit-all ## Run what every change must pass: check, unit-all and the core of the suites
	$(MAKE) --no-print-directory suites SUITES="$(CORE)"

# Bytecode is kept from run to run, whatever the environment says: pytest rewrites 800 modules for their
# asserts, and every command and device that a test starts would compile its modules anew.
unit unit-all native coverage: export PYTHONDONTWRITEBYTECODE :=

unit: setup ## Run the fast tests of the framework, before each commit
	$(BIN)/pytest tests $(SPREAD) -m 'not slow and not native' --hypothesis-profile=quick --durations=10 $(UNIT)

unit-all: setup ## Run all tests of the framework, slow ones too, as CI does
	$(BIN)/pytest tests $(SPREAD) -m 'not native' --durations=10 $(UNIT)

native: setup ## Test add-ons with their real programs, where this machine has them (20 minutes)
	$(BIN)/pytest tests -m native --durations=10 $(UNIT)

coverage: setup ## Measure the coverage of the framework's tests: build/coverage/index.html
	@mkdir -p build
	$(BIN)/pytest tests $(SPREAD) -m 'not native' --cov --cov-report=term:skip-covered \
	  --cov-report=html:build/coverage $(UNIT)

$(SSLYZE_STAMP): tests/peers/requirements-sslyze.txt
	$(PYTHON) -m venv --clear build/peers/sslyze
	build/peers/sslyze/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

peers: setup $(SSLYZE_STAMP) ## Test devices and TLS endpoints with third-party clients (needs Node.js 20 and npm)
	@mkdir -p build/peers && cp tests/peers/package.json tests/peers/package-lock.json build/peers/
	npm ci --prefix build/peers --ignore-scripts --omit=optional --no-audit --no-fund --silent
	$(BIN)/pytest tests/peers tests/devices/test_modbus_requests.py

browser: setup ## Test the page of `lab ui` in Debian's Chromium (apt-get install chromium)
	@command -v chromium >/dev/null || { echo "no Chromium here: apt-get install chromium" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group browser
	$(BIN)/pytest tests/ui

# Of the Go programs; what hypothesis tries is a part of unit-all. "context deadline exceeded" without a failing input
# is an error of Go before 1.27 (golang/go#75804); a number of inputs, FUZZ_TIME=1000000x, does not lead to it.
fuzz: ## Fuzz the parsers of the workload, FUZZ_TIME for each target (10m)
	@cd images/go/workload && for file in $$(grep -rl '^func Fuzz' internal); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' $$file); do \
	    echo "$$target in $$(dirname $$file)"; \
	    CGO_ENABLED=0 go test ./$$(dirname $$file) -run='^$$' -fuzz="^$$target\$$" \
	      -fuzztime=$(FUZZ_TIME) -parallel=2 || exit 1; \
	  done; done

$(HARDWARE_STAMP): pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(HARDWARE) 'labgrid>=26.0,<27'
	@touch $@

hardware: setup $(HARDWARE_STAMP) ## Test external nodes with labgrid's drivers, and with an sshd in its own root file system (as root)
	$(WITH_HARDWARE) $(BIN)/pytest tests/external -p no:labgrid $(UNIT)

# A QEMU guest with its own power script and serial port stands for the external machine.
external: setup $(HARDWARE_STAMP) ## Run the suite of external nodes on a guest that the lab did not boot (as root)
	$(WITH_HARDWARE) $(BIN)/python -m suites.external.guest build/external -- $(BIN)/pytest suites/external \
	  -p no:labgrid --lab-topology=build/external/lab.yaml --alluredir=$(RESULTS) $(UNIT)

suites: setup ## Run the suites (SUITES=…) in the running lab, or in one started for them
	rm -rf $(RESULTS)
	$(BIN)/pytest $(SUITES) --lab-topology=$(TOPOLOGY) --alluredir=$(RESULTS)

check: setup ## Check code style, types and the imports between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code and fix its style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: setup ## Regenerate the schemas of topologies, plans and matrices, for editors
	@mkdir -p build
	$(BIN)/lab schema > build/schema.json && mv build/schema.json labs/schema.json
	$(BIN)/lab schema plan > build/schema.json && mv build/schema.json plans/schema.json
	$(BIN)/lab schema matrix > build/schema.json && mv build/schema.json docs/matrix/schema.json

bench: setup ## Measure the lab and write docs/performance.md (a quarter of an hour)
	$(BIN)/python -m edge_lab.bench

bench-gate: setup ## Fail if the hot paths are slower than those of BASE (HEAD^)
	@if git rev-parse --quiet --verify '$(BASE)^{commit}' >/dev/null 2>&1; then \
	  mkdir -p build && $(BIN)/lab bench '$(BASE)' . --gate $(GATE) --output build/bench-gate.json; \
	else echo "bench-gate: there is no commit $(BASE) to compare with"; fi

compare: setup ## Run the suites network, autonomy and nodes on each of STACKS and compare them
	rm -rf build/compare
	failed=0; for stack in $(STACKS); do \
	  $(BIN)/pytest suites/network suites/autonomy suites/nodes --lab-topology=$(TOPOLOGY) \
	    --lab-stack=$$stack --alluredir=build/compare/$$stack || failed=1; \
	done; \
	$(BIN)/lab compare build/compare --html build/compare/index.html; exit $$failed

report: setup ## Write the Allure report of the last run to build/report (needs Node.js 20.19)
	$(BIN)/python -m edge_lab.report $(RESULTS) build/report

clean: ## Remove build results; keep the cache and running labs
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
