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

/* As on the wire; doff_flags are the two bytes before the TCP window. Of IPv6
 * addresses, the last word each. */
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

/* The frame to restore, as on the wire. Untagged, without options. */
const volatile __u32 frame_length = 54;
const volatile __u64 frame_mac_low = 0;		/* bytes 0..7 */
const volatile __u32 frame_mac_high = 0;	/* bytes 8..11 */
const volatile __u32 frame_ttl_checksum = 0;	/* bytes 22..25; of IPv6 18..21 */
const volatile __u64 frame_source[2] = {};	/* of IPv6; its last word is the tuple's */
const volatile __u64 frame_destination[2] = {};
const volatile __u16 frame_l4_checksum = 0;
const volatile __u8 frame_is_tcp = 1;
const volatile __u8 frame_is_ipv6 = 0;
const volatile __u32 tuple_mask = 0;		/* number of tuples less one, a power of two */

#define FIELD(type, offset) (*(type *)(data + (offset)))

/* Undoes what was pushed or popped before the frame. The helper is called in any
 * case, so that its cost is subtracted with the wrapper's and not laid on the
 * programs that encapsulate. */
static __always_inline int restore_head(struct xdp_md *ctx)
{
	long length = (long)(void *)(long)ctx->data_end - (long)(void *)(long)ctx->data;

	asm volatile("" : "+r"(length));
	return bpf_xdp_adjust_head(ctx, (int)(length - (long)frame_length));
}

/* L4 begins here; the checksum of both is at the same place in each family. */
static __always_inline int write_l4(void *data, void *end, const struct bench_tuple *t)
{
	if (!frame_is_tcp) {
		if (data + 8 > end)
			return -1;
		FIELD(__u32, 0) = t->ports;
		FIELD(__u16, 6) = frame_l4_checksum;
		return 0;
	}
	if (data + 20 > end)
		return -1;
	FIELD(__u32, 0) = t->ports;
	FIELD(__u16, 12) = t->doff_flags;
	FIELD(__u16, 16) = frame_l4_checksum;
	return 0;
}

static __always_inline int write_ipv4(void *data, void *end, const struct bench_tuple *t)
{
	FIELD(__u16, 12) = 0x0008;
	FIELD(__u32, 22) = frame_ttl_checksum;
	FIELD(__u64, 26) = t->addresses;
	return write_l4(data + 34, end, t);
}

static __always_inline int write_ipv6(void *data, void *end, const struct bench_tuple *t)
{
	if (data + 54 > end)
		return -1;
	FIELD(__u16, 12) = 0xdd86;
	FIELD(__u32, 18) = frame_ttl_checksum;
	FIELD(__u64, 22) = frame_source[0];
	FIELD(__u64, 30) = (__u32)frame_source[1] | t->addresses << 32;
	FIELD(__u64, 38) = frame_destination[0];
	FIELD(__u64, 46) = (__u32)frame_destination[1] | t->addresses >> 32 << 32;
	return write_l4(data + 54, end, t);
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
	if (data + 42 > end)
		goto failed;
	FIELD(__u64, 0) = frame_mac_low;
	FIELD(__u32, 8) = frame_mac_high;
	if (frame_is_ipv6 ? write_ipv6(data, end, t) : write_ipv4(data, end, t))
		goto failed;
	bpf_tail_call(ctx, &target, 0);
failed:
	p->failed++;
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
