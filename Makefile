# Every target does its own set-up; PYTHON chooses the interpreter: make test PYTHON=python3.12
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV ?= .venv-$(VERSION)
KAFKA2 ?= 2.3.3
VENV2 ?= .venv-$(VERSION)-kafka-$(KAFKA2)
BIN := $(VENV)/bin
CANARY ?= kafka-python
VENV_CANARY ?= .venv-$(VERSION)-canary
# The longest time of one suite.
CANARY_SECONDS ?= 300
FREE_THREADED ?=
FREE_THREADED_HOME ?= $(CURDIR)/.venv-free-threaded
FREE_THREADED_TESTS ?= tests/core tests/runtime/test_races.py
SEEDS ?= 100000
UNIT := -n 4 --dist worksteal -m "not broker and not distribution" --ignore tests/exploration
# The folders with tests on a real Kafka: collecting all others takes longer than importing these; a test holds it.
BROKER_TESTS := tests/integration tests/contract tests/docs tests/examples tests/inbox
KAFKA2_TESTS := tests/contract tests/typing tests/runtime/client tests/plugins/test_fast_decoder.py $(addprefix tests/integration/test_,\
	$(addsuffix .py,order rebalance membership positions takeover detours failure fast_decoder slices dlq facts))
CANARY_TESTS := $(filter-out tests/typing,$(KAFKA2_TESTS)) tests/integration/test_producing.py tests/plugins/test_exactly_once.py tests/faults/test_exactly_once.py
KAFKA2_MORE := tests/runtime tests/faults/test_kills.py tests/faults/test_members.py $(addprefix tests/integration/test_,\
	$(addsuffix .py,kill dlq_unavailable retries cli_dlq slow_handler cli_run bad_input backpressure verdicts offset_map))

# Tests start hundreds of interpreters, and each would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup test lint docs prometheus databases compiler unit unit-all broker kafka2 kafka2-all canary free-threaded older-brokers weekly explore proof planted faults interop clusters dist compiled demo bench bench-peers bench-delays bench-check bench-crashes simulate changelog clean help

help:  ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | column -t -s:

setup: $(VENV)/ready  ## Make a virtual environment with all that development needs

# Most of the time of tests is waiting, so targets run beside each other; each shows its output as a whole when it ends.
test:  ## Run all checks and tests, two targets at a time
	$(MAKE) --jobs 2 --keep-going --output-sync=target broker lint unit kafka2 docs explore dist

lint: $(VENV)/ready  ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(BIN)/zizmor -q --offline .github

docs: $(VENV)/ready  ## Build the documentation as a site into build/site and follow its links
	rm -rf build/site
	$(BIN)/python -m docs._site.picture
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --jobs auto --doctree-dir build/doctrees docs build/site
	$(BIN)/python -m docs._site.crawl build/site

prometheus:  ## Install Debian's Prometheus, if it is missing, for the tests that use it; needs root or sudo
	command -v promtool >/dev/null || { SUDO=$$(command -v sudo || true); $$SUDO apt-get update -q && \
		$$SUDO apt-get install -qy --no-install-recommends prometheus; }

databases:  ## Install Debian's PostgreSQL, MariaDB and Redis, those that are missing, for the tests that use them; needs root or sudo
	{ ls /usr/lib/postgresql/*/bin/initdb && command -v mariadbd && command -v redis-server; } >/dev/null 2>&1 || { \
		SUDO=$$(command -v sudo || true); $$SUDO apt-get update -q && $$SUDO env DEBIAN_FRONTEND=noninteractive \
		apt-get install -qy --no-install-recommends postgresql mariadb-server redis-server; }

compiler:  ## Install Debian's C compiler, if it is missing, for the tests of the compiled decoder; needs root or sudo
	command -v gcc >/dev/null || { SUDO=$$(command -v sudo || true); $$SUDO apt-get update -q && \
		$$SUDO apt-get install -qy --no-install-recommends gcc libc6-dev; }

unit: $(VENV)/collected  ## Run the tests that need no Kafka; of many alike a sample, by recent changes and by lot
	$(BIN)/pytest $(UNIT)

unit-all: $(VENV)/ready  ## The same without a sample
	KAFKA_PARALLEL_TESTS=all $(BIN)/pytest $(UNIT)

explore: $(VENV)/ready  ## Run every interleaving of a few threads on the locked scheduler
	$(BIN)/pytest -q -p frontrun --frontrun-patch-locks tests/exploration

proof: $(VENV)/ready  ## Explore all orders of all acts of the core in large scopes, five minutes each
	$(BIN)/python -m tests.proof

# A wait that never ended is tried once more and reported as a rerun: the machine may have stood still, or the client.
# A verdict on records (lost, repeated, reordered) is final, and the long targets try nothing twice.
ONCE_MORE := -raR --reruns 1 --only-rerun "^(Failed: Timeout|AssertionError: waited )|KafkaTimeoutError|NoBrokersAvailable"

broker: $(VENV)/collected  ## Run the tests on a real Kafka; "make faults" has more
	$(BIN)/pytest -n 5 --dist worksteal $(ONCE_MORE) -m broker $(BROKER_TESTS)

kafka2: $(VENV2)/ready  ## Run the tests that depend most on the client again, on kafka-python 2.x, handlers on threads
	$(VENV2)/bin/pytest -q -n 5 --dist worksteal $(ONCE_MORE) -k "not asyncio and not process-pool" $(KAFKA2_TESTS)

kafka2-all: $(VENV2)/ready  ## The same with all tests that depend on the client: KAFKA2=2.2.9 is the oldest
	$(VENV2)/bin/pytest -q -n 3 --dist worksteal $(KAFKA2_TESTS) $(KAFKA2_MORE)

canary: $(VENV_CANARY)/ready  ## Say what breaks on the newest pre-release of kafka-python, or on CANARY=requirement
	$(VENV_CANARY)/bin/python -m pip install -q --upgrade --pre "$(CANARY)"
	$(VENV_CANARY)/bin/python -m tests.canary --seconds $(CANARY_SECONDS) --workers 3 --select "not asyncio and not process-pool" $(CANARY_TESTS)

free-threaded:  ## Run suites without the interpreter lock, on FREE_THREADED=python or on a CPython that it builds
	@found=$$($(PYTHON) -m tests.free_threaded.interpreter $(FREE_THREADED_HOME) $(FREE_THREADED)); \
	case $$? in 0) ;; 77) exit 0 ;; *) exit 1 ;; esac; set -e; cd $(CURDIR); \
	"$$found" -m venv $(FREE_THREADED_HOME)/venv; export PYTHON_GIL=0; python=$(FREE_THREADED_HOME)/venv/bin/python; \
	$$python -m pip install -q --only-binary hypothesis -e . hypothesis pytest pytest-timeout; \
	$$python -m tests.free_threaded.parallel_runs; \
	$$python -m pytest -q -m "not broker and not distribution" $(FREE_THREADED_TESTS)

older-brokers: $(VENV)/ready  ## Run the tests on Kafka 2.8 with ZooKeeper and on 3.4, which many clusters still run
	for version in 2.8.2 3.4.1; do \
		KAFKA_PARALLEL_KAFKA_VERSION=$$version $(BIN)/pytest -q -n 4 --dist worksteal -m broker $(filter-out tests/docs,$(BROKER_TESTS)) tests/faults || exit 1; \
	done

faults: $(VENV)/ready  ## Break a real Kafka and its clients in every way, for half an hour
	KAFKA_PARALLEL_FAULTS=long $(BIN)/pytest -q -n 2 --dist worksteal -m broker tests/faults

interop: $(VENV)/ready  ## Kill the Java consumer and ours in turn, in one group; needs java, javac and mvn
	$(BIN)/pytest -q -n 2 --dist loadfile tests/faults/test_java_maps.py tests/faults/test_java_takeover.py

weekly: unit-all faults kafka2-all older-brokers planted proof compiled  ## Run the long checks that "make test" leaves out, for hours

clusters: $(VENV)/ready  ## Install Dask and Ray, 300 MB, and kill workers of a local cluster of each
	$(BIN)/python -m pip install -q --group clusters
	$(BIN)/pytest -q -p no:xdist tests/clusters

dist: $(VENV)/ready  ## Build the wheel and the sdist, check both, and try the wheel alone on a real Kafka
	rm -rf dist
	$(BIN)/pyproject-build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/pytest -q tests/distribution

compiled: $(VENV)/ready  ## Build the sdist of the compiled decoder and a wheel for each CPython that is here, into compiled/dist
	$(BIN)/python -m pip install -q --group wheels
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/python compiled/build_wheels.py

demo: $(VENV)/ready  ## Show kafka-parallel on a real Kafka
	$(BIN)/python -m examples.demo

bench: $(VENV)/ready  ## Measure ratios against kafka-python's recipes; writes docs/benchmarks/index.md
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)/ready  ## Measure other consumers too, in about 20 minutes; writes docs/benchmarks/peers.md
	$(BIN)/python -m benchmarks --peers

bench-delays: $(VENV)/ready  ## Measure latency, rebalances, restarts, batches, starts, 25 minutes; writes docs/benchmarks/delays.md
	$(BIN)/python -m benchmarks.delays

bench-check: $(VENV)/ready  ## Compare ratios of a run of two minutes with stored bounds; fails if one is clearly worse
	$(BIN)/python -m benchmarks.bounds

bench-crashes: $(VENV)/ready  ## Count repeats after kills, ours and Java's, in about 40 minutes; writes docs/benchmarks/crashes.md
	$(BIN)/python -m benchmarks.crashes

planted: $(VENV)/ready  ## Look for every planted bug, JOBS at once, and note the seeds that find them: before a release
	$(BIN)/python -m tests.simulation.planted $(if $(JOBS),--jobs $(JOBS))

simulate: $(VENV)/ready  ## Run SEEDS simulated runs on all cores; goes on where an interrupted one ended
	$(BIN)/python -m kafka_parallel.testing.simulation --seeds $(SEEDS) --state .simulation-$(SEEDS).json \
		--keep tests/simulation/regressions.txt

changelog: $(VENV)/ready  ## Show the section that the next release adds to CHANGELOG.md
	$(BIN)/towncrier build --draft

clean:  ## Remove virtual environments, built files and caches
	rm -rf compiled/build compiled/dist compiled/*.egg-info compiled/LICENSE compiled/kafka_parallel_compiled.py .simulation-*.json .bench .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q --group dev -e ".[demo]"
	touch $@

# pytest rewrites the asserts of a module before its first import, which takes far longer than the import: workers that
# start together would each do it for all modules.
$(VENV)/collected: $(VENV)/ready
	$(BIN)/pytest --collect-only -qq tests >/dev/null
	touch $@

$(VENV2)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV2)
	$(VENV2)/bin/python -m pip install -q --upgrade "pip>=25.1"
	$(VENV2)/bin/python -m pip install -q --group dev -e ".[demo]" "kafka-python==$(KAFKA2)"
	touch $@

$(VENV_CANARY)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV_CANARY)
	$(VENV_CANARY)/bin/python -m pip install -q --upgrade "pip>=25.1"
	$(VENV_CANARY)/bin/python -m pip install -q --group dev -e ".[demo]"
	touch $@
