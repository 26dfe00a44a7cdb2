# Everything a contributor types; each target sets up what it needs first. `make help` lists them.

JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
PYTHON := $(CURDIR)/.venv/bin/python
# The thread that watches a template is never joined: what belongs to the whole process is not destroyed at its exit.
SANITIZER_OPTIONS := ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    TSAN_OPTIONS=halt_on_error=1:report_thread_leaks=0:suppressions=$(CURDIR)/tests/tsan.supp

.PHONY: help setup demo test bench soak faults asan tsan fuzz lint format clean build-dev build-release
.DEFAULT_GOAL := help

help: ## This list
	@sed -n 's/^\([a-z ]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Debian packages and .venv, where they are missing
	@.ci/setup

# cmake_build(preset, arguments to its configuration): configures when the presets are new, builds what has changed.
define cmake_build
	@test build/configure-$(1).log -nt CMakePresets.json && test -f build/$(1)/CMakeCache.txt || \
	    cmake --preset $(1) $(2) >build/configure-$(1).log || \
	    { cat build/configure-$(1).log; rm build/configure-$(1).log; exit 1; }
	@echo "build: $(1)"
	@cmake --build build/$(1) -j $(JOBS) -- $$(test -f build/$(1)/build.ninja && echo --quiet || echo --no-print-directory -s)
endef

build-dev: setup
	$(call cmake_build,dev)

build-release: setup
	$(call cmake_build,release)

demo: build-release ## Run the examples: from a first call to a graph of services that is served while its workers are killed
	@TR_PYTHON=$(PYTHON) TR_WORKSPACE=$(CURDIR)/workspace sh cpp/examples/run build/release/examples

test: build-dev ## Run every test: C++, Python, both together, packages, lint
	@failed=; export TR_PYTHON=$(PYTHON) TR_BUILD_DIR=$(CURDIR)/build/dev; \
	echo "test: C++"; ctest --preset dev -j $(JOBS) --progress || failed="$$failed C++"; \
	echo "test: Python"; $(PYTHON) -m pytest || failed="$$failed Python"; \
	if [ -n "$$failed" ]; then echo "test: failed:$$failed"; exit 1; fi; echo "test: everything passed"

bench: setup ## Measure beside the rivals and write docs/performance.*; QUICK=1: four minutes, nothing written there
	$(call cmake_build,release,-DTR_BUILD_BENCHMARKS=ON -DTR_BUILD_BINDINGS=ON)
	@tests/benchmarks/run $(PYTHON) build/release $(JOBS) $(if $(QUICK),--quick,--docs)

faults: build-dev ## Kill workers and hosts at every step of the protocol, on each carrier; KILLS=200 for each
	@TR_BUILD_DIR=$(CURDIR)/build/dev $(PYTHON) tests/faults/table.py --kills $(or $(KILLS),200)

soak: build-dev ## Random requests, kills and stops for MINUTES=10; counts what became of each request
	@TR_BUILD_DIR=$(CURDIR)/build/dev $(PYTHON) tests/faults/soak.py --minutes $(or $(MINUTES),10)

asan tsan: setup ## Run the C++ tests under a sanitizer
	$(call cmake_build,$@)
	@$(SANITIZER_OPTIONS) TR_PYTHON=$(PYTHON) ctest --preset $@ -j $(JOBS) --progress

fuzz: setup ## Fuzz all that reads what a peer writes, in both languages; RUNS=n inputs for each (1000000)
	@tests/hostile/setup $(PYTHON)
	$(call cmake_build,fuzz)
	@$(PYTHON) tests/hostile/run.py build/fuzz build/fuzz-venv/bin/python $(or $(RUNS),1000000)

lint: setup ## Formats, lints and types
	@$(PYTHON) -m pytest tests/package/test_lint.py

format: setup ## Format every source file
	@git ls-files -co --exclude-standard '*.cpp' '*.h' | xargs .venv/bin/clang-format -i
	@.venv/bin/ruff format && .venv/bin/ruff check --fix

clean: ## Remove what was built; .venv stays
	rm -rf build python/tech_renaissance/_core*.so
