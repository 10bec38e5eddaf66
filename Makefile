# make demo   a cluster in a box, policies applied and checked     make build  everything under build/
# make test   lint and every test                                   make clean  back to a clean clone
SHELL := /bin/sh
ROOT := $(CURDIR)
# Node from the machine where it is 20 or newer, else the one that deploy/build-machine.sh brings.
export PATH := $(ROOT)/build/toolchain/node_modules/.bin:$(ROOT)/node_modules/.bin:$(PATH)

.PHONY: build demo test test-long test-kubernetes bench bench-full bench-suite lint clean machine bpf native image
all: build

machine:
	@deploy/build-machine.sh

node_modules/.package-lock.json: package.json package-lock.json
	@npm_config_nodedir=$$(deploy/node-headers.sh) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

bpf: machine
	@$(MAKE) --no-print-directory -C bpf

native: machine
	@$(MAKE) --no-print-directory -C native
	@$(MAKE) --no-print-directory -C native/cni
	@$(MAKE) --no-print-directory -C native/lab
	@$(MAKE) --no-print-directory -C native/bench

agent/kernel/abi.generated.ts: bpf agent/kernel/codegen.mjs
	@node agent/kernel/codegen.mjs $@ build/bpf/abi.o

build: machine bpf native node_modules/.package-lock.json agent/kernel/abi.generated.ts
	@tsc -p .
	@chmod +x build/agent/cli/main.js

lint: build
	@eslint --max-warnings 0 agent test
	@tsc --noEmit -p test
	@depcruise --config .dependency-cruiser.cjs agent

test: lint
	@test/run.sh

test-long: build
	@CANAL_ORACLE_PAIRS=1000000 CANAL_ORACLE_SERVICE_STATES=1000 CANAL_IPAM_REQUESTS=2000 CANAL_AGENT_KILLS=50 CANAL_FUZZ_FRAMES=1000000 CANAL_SERVICE_FLAPS=3000 CANAL_ROLLOUTS=20 CANAL_ROLLOUT_SHORT=1000 CANAL_ROLLOUT_LONG=100 CANAL_DNS_PAIRS=100000 CANAL_PORTS_BEFORE=0 test/run.sh test/oracle test/lab test/packet/port-range.test.ts

# On a cluster without a network plugin: make test-kubernetes KUBECONFIG=FILE NODE_EXEC='docker exec -i'; test/kubernetes/README.md says what else it takes.
test-kubernetes: build image
	@KUBECONFIG='$(KUBECONFIG)' NODE_EXEC='$(NODE_EXEC)' test/kubernetes/run.sh

demo: build
	@node build/agent/cli/main.js demo

# What the image holds is in deploy/image/contents; bundling takes the sources, not build/agent.
build/image/root: machine bpf native node_modules/.package-lock.json agent/kernel/abi.generated.ts FORCE
	@node deploy/image/assemble.mjs $@

image: build/image/root
	@node deploy/image/pack.mjs $< build/canal-image.tar

FORCE:

# Figures of this machine, which nothing else should use meanwhile: table, JSON, pictures, and
# the README's section in build/bench/figures.md. bench takes minutes, bench-full an hour;
# one that was stopped goes on where it was.
bench: build
	@$(MAKE) --no-print-directory bench-suite SUITE=quick INTO=build/bench

bench-full: build
	@$(MAKE) --no-print-directory bench-suite SUITE=full INTO=build/bench-full

bench-suite:
	@mkdir -p $(INTO)
	@node build/agent/cli/main.js bench --suite $(SUITE) --resume $(INTO)/measured.jsonl --json $(INTO)/result.json --charts $(INTO)
	@node build/agent/cli/main.js bench programs --json $(INTO)/programs.json
	@node build/agent/cli/main.js bench report $(INTO)/result.json --programs $(INTO)/programs.json --markdown > $(INTO)/figures.md
	@rm $(INTO)/measured.jsonl

clean:
	rm -rf build node_modules agent/kernel/abi.generated.ts
