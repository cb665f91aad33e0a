# Pilothouse. `make` alone lists what can be done.
#
# Tools that no fresh machine has (cargo-deny, the Kubernetes test binaries, the SDKs) are installed
# below $(CACHE), outside the clone, so that the next clone finds them there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pilothouse

# Cargo.lock decides which dependencies are built, on every machine.
CARGO_FLAGS ?= --locked
# Further arguments for the command that a target runs: make run ARGS='--listen 127.0.0.1:9000'.
ARGS ?=

DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

IMAGE ?= pilothouse:dev

# Seconds of fuzzing for each target or, in place of these, so many inputs, always the same ones.
FUZZ_TIME ?= 60
FUZZ_RUNS ?=
# As a part of `make test`, which must not fail by luck, so that neither time nor what an earlier run
# came to may count: CI's two processors take some four minutes for all targets.
FUZZ_RUNS_IN_TEST := $(if $(CI),15000,3000)
# Which targets (all, if none is named), and an input to try once more.
TARGET ?=
INPUT ?=

# Test binaries that need more than cargo; all others run in `test-unit`.
RINGS := apiserver sdk chart
TESTS := $(patsubst tests/%.rs,%,$(patsubst tests/%/main.rs,tests/%.rs,$(wildcard tests/*.rs tests/*/main.rs)))
UNIT_TESTS := $(filter-out $(RINGS),$(TESTS))

##@ Use

.PHONY: help
help: ## List the targets
	@awk -f .ci/help.awk $(MAKEFILE_LIST)

.PHONY: run
run: ## Build, then run the gateway with simulated providers on this machine (ARGS='...')
	cargo run $(CARGO_FLAGS) -- demo $(ARGS)

.PHONY: build
build: ## Build the optimized binary, target/release/pilothouse
	cargo build $(CARGO_FLAGS) --release

.PHONY: image
image: ## Build the container image (IMAGE=name:tag); needs a container engine
	docker build --build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" --tag $(IMAGE) .

##@ Test

.PHONY: test
test: fmt-check lint docs deny ## Everything that a change has to pass
	@assets="$$(e2e/tools/build)"; helm="$$(e2e/tools/build-helm)"; fuzzed=0; \
	CACHE='$(CACHE)' FUZZ_RUNS=$(FUZZ_RUNS_IN_TEST) TARGET= INPUT= .ci/fuzz || fuzzed=$$?; \
	KUBEBUILDER_ASSETS="$$assets" HELM="$$helm" .ci/count cargo test $(CARGO_FLAGS) --no-fail-fast; \
	e2e/cluster/run; \
	if ((fuzzed)); then echo 'The fuzzer failed: see above, before the tests.' >&2; exit $$fuzzed; fi

.PHONY: test-unit
test-unit: ## Tests that need nothing but cargo
	@.ci/count cargo test $(CARGO_FLAGS) --lib --bins $(addprefix --test ,$(UNIT_TESTS)) $(ARGS)

.PHONY: test-apiserver
test-apiserver: ## Tests against a real kube-apiserver and etcd (built once, about five minutes)
	@assets="$$(e2e/tools/build)"; \
	KUBEBUILDER_ASSETS="$$assets" .ci/count cargo test $(CARGO_FLAGS) --test apiserver $(ARGS)

.PHONY: chart-test
chart-test: ## The Helm chart: helm's checks, rights, what it refuses (helm is built once, two minutes)
	@helm="$$(e2e/tools/build-helm)"; \
	HELM="$$helm" .ci/count cargo test $(CARGO_FLAGS) --test chart $(ARGS)

.PHONY: e2e
e2e: ## A cluster of processes, the chart in it, changes and losses under load (ARGS='step ...', LONG=1; root)
	@LONG='$(LONG)' e2e/cluster/run $(ARGS)

.PHONY: e2e-versions
e2e-versions: ## The definitions at the oldest and newest release of Kubernetes (built once, minutes each)
	@e2e/versions $(ARGS)

.PHONY: test-sdk
test-sdk: ## The official SDKs, their own tests and coding agents, with targets of every API
	@.ci/count cargo test $(CARGO_FLAGS) --test sdk $(ARGS)

.PHONY: test-long
test-long: ## The limits that apply by default, in real time (about six minutes)
	cargo test $(CARGO_FLAGS) --test dataplane long_limits:: -- --ignored --test-threads 8 $(ARGS)

.PHONY: chaos
chaos: ## Providers that fail at random under many callers (CHAOS_TIME=seconds)
	CHAOS_TIME='$(CHAOS_TIME)' cargo test $(CARGO_FLAGS) --test dataplane chaos:: -- --nocapture

.PHONY: fuzz
fuzz: ## Look for inputs that break a decoder (FUZZ_TIME=seconds for each, TARGET='name ...', INPUT=file)
	@CACHE='$(CACHE)' FUZZ_TIME='$(FUZZ_TIME)' FUZZ_RUNS='$(FUZZ_RUNS)' \
	TARGET='$(TARGET)' INPUT='$(INPUT)' .ci/fuzz

.PHONY: faults
faults: ## What callers get while a provider fails: a table, by OpenAI's SDK and default settings (ARGS='text of a row')
	@CACHE='$(CACHE)' e2e/faults/run $(ARGS)

.PHONY: bench
bench: ## Measure the gateway, as the image has it, beside a bare proxy (ARGS='...')
	cargo bench $(CARGO_FLAGS) --features jemalloc --bench gateway -- $(ARGS)

.PHONY: scale
scale: ## Thousands of routes in a cluster of processes: time to traffic, start, memory (ARGS='1 1000'; root)
	@e2e/scale/run $(ARGS)

##@ Check

.PHONY: fmt
fmt: ## Format the sources
	cargo fmt

.PHONY: fmt-check
fmt-check:
	cargo fmt --check

.PHONY: lint
lint: ## Clippy on everything, warnings refused
	cargo clippy $(CARGO_FLAGS) --all-targets -- --deny warnings

.PHONY: docs
docs: ## Build the documentation of the code, warnings refused
	RUSTDOCFLAGS='--deny warnings' cargo doc $(CARGO_FLAGS) --no-deps

.PHONY: deny
deny: $(DENY) ## Licences, bans and sources of dependencies; advisories if their database can be fetched
	$(DENY) --log-level error --locked check licenses bans sources
	@DENY='$(DENY)' .ci/advisories

.PHONY: crds
crds: ## Write crds/, and the chart's copy, anew from the Rust types
	UPDATE_CRDS=1 cargo test $(CARGO_FLAGS) --test crds
	UPDATE_CHART=1 cargo test $(CARGO_FLAGS) --test chart its_definitions_are_those

.PHONY: chart-files
chart-files: ## Write what is generated of the chart anew: definitions, README, deploy/kustomize/
	@helm="$$(e2e/tools/build-helm)"; \
	HELM="$$helm" UPDATE_CHART=1 cargo test $(CARGO_FLAGS) --test chart

.PHONY: guides
guides: ## Write the generated parts of deploy/guides/ anew: what the tests ran, what the registry has
	UPDATE_DOCS=1 cargo test $(CARGO_FLAGS) --test dataplane pairs::
	UPDATE_DOCS=1 cargo test $(CARGO_FLAGS) --test guides

# --debug compiles in a quarter of the time, and a check of three seconds gains nothing from more.
$(DENY):
	env --unset=CARGO_TARGET_DIR cargo install cargo-deny --version $(DENY_VERSION) --locked --debug --root $(dir $(@D))
