/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of maps.
 *
 * Arrays that the agent writes while packets fly are mappable: a single
 * aligned store publishes, where an update by system call may tear.
 * Being mappable also aligns their values to cache lines.
 */
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAPPED_ARRAY(name, value_type, entries)				\
	struct {							\
		__uint(type, BPF_MAP_TYPE_ARRAY);			\
		__uint(max_entries, entries);				\
		__uint(map_flags, BPF_F_MMAPABLE);			\
		__type(key, __u32);					\
		__type(value, value_type);				\
	} name SEC(".maps")

#define PER_CPU_ARRAY(name, value_type, entries)			\
	struct {							\
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);		\
		__uint(max_entries, entries);				\
		__type(key, __u32);					\
		__type(value, value_type);				\
	} name SEC(".maps")

#define HASH(name, key_type, value_type, entries)			\
	struct {							\
		__uint(type, BPF_MAP_TYPE_HASH);			\
		__uint(max_entries, entries);				\
		__type(key, key_type);					\
		__type(value, value_type);				\
	} name SEC(".maps")

#define LRU_HASH(name, key_type, value_type, entries)			\
	struct {							\
		__uint(type, BPF_MAP_TYPE_LRU_HASH);			\
		__uint(max_entries, entries);				\
		__type(key, key_type);					\
		__type(value, value_type);				\
	} name SEC(".maps")
