// SPDX-License-Identifier: GPL-2.0
/* A program that shows what the binding did: constants, maps, memory. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 700);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64[2]);
} words SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 600);
	__type(key, __u32);
	__type(value, __u64[2]);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 20000);
	__type(key, __u32[2]);
	__type(value, __u64);
} table SEC(".maps");

const volatile __u32 verdict = XDP_DROP;
const volatile __u32 counted = 0;

/* Counts packets and bytes, remembers the packet's first word in the table, and copies the first word of words[0] to the front of the packet. */
SEC("xdp")
int sample(struct xdp_md *context)
{
	__u64 *packet = (void *)(long)context->data;
	__u64 length = context->data_end - context->data;
	__u32 index = counted, zero = 0;
	__u64 *counter = bpf_map_lookup_elem(&counters, &index);
	__u64 *word = bpf_map_lookup_elem(&words, &zero);

	if (!counter || !word || packet + 1 > (__u64 *)(long)context->data_end)
		return XDP_ABORTED;
	counter[0]++;
	counter[1] += length;
	bpf_map_update_elem(&table, packet, &length, BPF_ANY);
	*packet = *word;
	return verdict;
}

/* Says by which device the packet came. */
SEC("xdp")
int ingress_device(struct xdp_md *context)
{
	return context->ingress_ifindex;
}

char LICENSE[] SEC("license") = "GPL";
