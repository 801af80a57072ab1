/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Puts a fresh packet before the program under test, again and again.
 *
 * BPF_PROG_TEST_RUN with `repeat` does not restore the packet between
 * iterations, so a program that rewrites it would see its own output from the
 * second iteration on. This program undoes what a load balancer does to a
 * frame, takes the next tuple from `tuples`, and tail-calls the program under
 * test. Its own cost is measured with an empty program behind it, with the
 * same tuples, and subtracted.
 *
 * Every clobbered field is rewritten by one store at least as wide as any load
 * of it: a load that spans two stores still in flight stalls for about five
 * nanoseconds, which no packet that comes from a device would pay. `tuples` is
 * read in order, so that the hardware prefetches it and the order of the
 * flows, which the bench shuffles, decides which cache lines the program
 * under test misses.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* As on the wire; doff_flags are the two bytes before the TCP window. */
struct bench_tuple {
	__u64 addresses;
	__u32 ports;
	__u16 doff_flags;
	__u16 reserved;
};
_Static_assert(sizeof(struct bench_tuple) == 16, "tuples.ts writes 16 bytes a tuple");

struct bench_progress {
	__u64 next;
	__u64 failed;		/* frames that could not be restored */
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_tuple);
} tuples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_progress);
} progress SEC(".maps");

/* The frame to restore, as on the wire. Untagged IPv4 without options. */
const volatile __u32 frame_length = 54;
const volatile __u64 frame_mac_low = 0;		/* bytes 0..7 */
const volatile __u32 frame_mac_high = 0;	/* bytes 8..11 */
const volatile __u32 frame_ttl_checksum = 0;	/* bytes 22..25 */
const volatile __u16 frame_l4_checksum = 0;
const volatile __u8 frame_is_tcp = 1;
const volatile __u32 tuple_mask = 0;		/* number of tuples less one, a power of two */

#define FIELD(type, offset) (*(type *)(data + (offset)))

/* Undoes what was pushed or popped before the frame. */
static __always_inline int restore_head(struct xdp_md *ctx)
{
	long length = (long)(void *)(long)ctx->data_end - (long)(void *)(long)ctx->data;
	int grown;

	asm volatile("" : "+r"(length));
	grown = (int)(length - (long)frame_length);
	return grown ? bpf_xdp_adjust_head(ctx, grown) : 0;
}

#ifdef XDP_FRAGS
SEC("xdp.frags")
#else
SEC("xdp")
#endif
int wrap(struct xdp_md *ctx)
{
	struct bench_progress *p;
	struct bench_tuple *t;
	__u32 zero = 0, index;
	void *data, *end;

	p = bpf_map_lookup_elem(&progress, &zero);
	if (!p)
		return XDP_ABORTED;
	index = p->next++ & tuple_mask;
	t = bpf_map_lookup_elem(&tuples, &index);
	if (!t || restore_head(ctx)) {
		p->failed++;
		return XDP_ABORTED;
	}
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + (frame_is_tcp ? 54 : 42) > end) {
		p->failed++;
		return XDP_ABORTED;
	}
	FIELD(__u64, 0) = frame_mac_low;
	FIELD(__u32, 8) = frame_mac_high;
	FIELD(__u16, 12) = 0x0008;
	FIELD(__u32, 22) = frame_ttl_checksum;
	FIELD(__u64, 26) = t->addresses;
	FIELD(__u32, 34) = t->ports;
	if (frame_is_tcp) {
		if (data + 54 > end)
			return XDP_ABORTED;
		FIELD(__u16, 46) = t->doff_flags;
		FIELD(__u16, 50) = frame_l4_checksum;
	} else {
		FIELD(__u16, 40) = frame_l4_checksum;
	}
	bpf_tail_call(ctx, &target, 0);
	p->failed++;
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
