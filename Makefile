# l4lb. `make help` lists what there is; every target prepares what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

CLANG ?= clang
CC := gcc
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

BPF_FLAGS := -O2 -g -mcpu=v3 -target bpf -Wall -Werror \
	$(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))
NATIVE_FLAGS := -std=gnu11 -O2 -g -fPIC -Wall -Wextra -Werror -fvisibility=hidden

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:bpf/%.c=build/%.o)
NATIVE_SOURCES := $(wildcard native/*.c)
NATIVE_OBJECTS := $(NATIVE_SOURCES:native/%.c=build/native/%.o)
LAYOUTS := src/layout/generated.ts
SHARED_HEADERS := bpf/types.h bpf/maps.h
GENERATOR := src/layout/generate-layouts.ts src/layout/btf.ts src/layout/render-layouts.ts \
	src/layout/shared-header.ts
TYPESCRIPT := $(shell find src -name '*.ts' 2>/dev/null)

.PHONY: build bpf native layouts
build: build/.compiled ## compile the BPF programs, the native library and the agent

bpf: $(BPF_OBJECTS) ## compile the BPF programs only
native: build/libl4lb.so ## compile the native library only
layouts: build/.layouts ## generate src/layout/generated.ts only

build/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p build
	$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

build/native/%.o: native/%.c Makefile
	@mkdir -p build/native
	$(CC) $(NATIVE_FLAGS) -MMD -MP -c $< -o $@

build/libl4lb.so: $(NATIVE_OBJECTS)
	$(CC) -shared -o $@ $^ -lbpf

# A stamp, because the generator leaves an unchanged file alone.
build/.layouts: build/xdp.bpf.o $(SHARED_HEADERS) $(GENERATOR)
	node_modules/.bin/tsx src/layout/generate-layouts.ts build/xdp.bpf.o $(LAYOUTS) $(SHARED_HEADERS)
	@touch $@
$(LAYOUTS): build/.layouts

build/.compiled: $(BPF_OBJECTS) build/libl4lb.so build/.layouts $(TYPESCRIPT) tsconfig.json tsconfig.build.json
	rm -rf dist
	node_modules/.bin/tsc -p tsconfig.build.json
	@touch $@

-include $(BPF_OBJECTS:.o=.d) $(NATIVE_OBJECTS:.o=.d)
