# l4lb. `make help` lists what there is; every target prepares the machine for
# itself (.ci/setup), so there is nothing to do beforehand.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

CLANG ?= clang
CC := gcc
BIN := node_modules/.bin

# Debian keeps asm/ headers in a folder named after the machine.
BPF_FLAGS = -O2 -g -mcpu=v3 -target bpf -Wall -Werror -idirafter /usr/include/$$($(CC) -print-multiarch)
NATIVE_FLAGS := -std=gnu11 -O2 -g -fPIC -Wall -Wextra -Werror -fvisibility=hidden

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:bpf/%.c=build/%.o)
NATIVE_SOURCES := $(wildcard native/*.c)
NATIVE_OBJECTS := $(NATIVE_SOURCES:native/%.c=build/native/%.o)
SHARED_HEADERS := bpf/types.h bpf/counter_types.h bpf/recent_types.h bpf/config_types.h bpf/maps.h bpf/node_types.h
LAYOUTS := src/layout/generated.ts
GENERATOR := $(addprefix src/layout/,generate-layouts.ts btf.ts render-layouts.ts shared-header.ts)
TYPESCRIPT := $(shell find src -name '*.ts')

.PHONY: setup setup-build
setup: ## install missing packages and node modules, check node and kernel
	@.ci/setup run
setup-build:
	@.ci/setup build

.PHONY: build bpf native layouts
build: build/.compiled ## compile the BPF programs, the native library and the agent
bpf: $(BPF_OBJECTS) ## compile the BPF programs only
native: build/libl4lb.so ## compile the native library only
layouts: build/.layouts ## generate src/layout/generated.ts only

build/%.bpf.o: bpf/%.bpf.c Makefile | setup-build
	$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

build/native/%.o: native/%.c Makefile | setup-build
	@mkdir -p build/native
	$(CC) $(NATIVE_FLAGS) -MMD -MP -c $< -o $@

build/libl4lb.so: $(NATIVE_OBJECTS)
	$(CC) -shared -o $@ $^ -lbpf

# A stamp, because the generator leaves an unchanged file alone.
build/.layouts: build/layouts.bpf.o $(SHARED_HEADERS) $(GENERATOR)
	$(BIN)/tsx src/layout/generate-layouts.ts build/layouts.bpf.o $(LAYOUTS) $(SHARED_HEADERS)
	@touch $@

build/.compiled: $(BPF_OBJECTS) build/libl4lb.so build/.layouts $(TYPESCRIPT) tsconfig.json package-lock.json
	rm -rf build/dist
	$(BIN)/tsx src/bundle/bundle-programs.ts build/dist
	rm -rf dist && mv build/dist dist
	@touch $@

.PHONY: check lint types test unit
check: ## lint, types and all tests; ends with `N passed, N failed`
	@.ci/check

lint: build/.layouts ## Biome, knip and the rules of test/lint
	$(BIN)/biome check --error-on-warnings .
	$(BIN)/knip
	$(BIN)/tsx test/lint/check-sources.ts

types: build/.layouts ## the TypeScript compiler over everything
	$(BIN)/tsc --noEmit

test: build kube-control-plane | setup ## unit tests, then those that need root and a kernel, then those with an API server
	$(BIN)/vitest run $(TESTS)

unit: build ## unit tests only: no root, no BPF
	$(BIN)/vitest run --project unit $(TESTS)

# Each part of the project may bring targets of its own: demo, bench, fuzz.
-include $(wildcard test/*/*.mk)

.PHONY: clean help
clean: ## remove everything that was built
	rm -rf build dist $(LAYOUTS)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | expand -t 12

-include $(BPF_OBJECTS:.o=.d) $(NATIVE_OBJECTS:.o=.d)
