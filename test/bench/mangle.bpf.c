/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does to a frame all that a load balancer may do, and worse. Before that it
 * compares the frame with the tuple and with what it looked like the first
 * time: the test of the wrapper reads the counts.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAME 60

struct mangle_seen {
	__u64 frames;
	__u64 differed;		/* frames that were not as at the first time */
	__u64 odd_flags;	/* frames with SYN */
	__u64 sources;		/* sum of the source addresses, as loaded */
	__u8 first[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mangle_seen);
} seen SEC(".maps");

/* How far the head moves on every packet: 0, 4, -4 in turn. */
const volatile __u8 move_head = 1;
/* Bytes that the tuple decides, which are not compared: addresses, ports, flags. */
static __always_inline int of_tuple(int at)
{
	return (at >= 26 && at < 38) || at == 46 || at == 47;
}

static __always_inline void look(struct mangle_seen *s, const __u8 *data)
{
	int differs = 0;

#pragma unroll
	for (int at = 0; at < FRAME; at++) {
		if (!s->frames)
			s->first[at] = data[at];
		else if (!of_tuple(at) && s->first[at] != data[at])
			differs = 1;
	}
	s->differed += differs;
	s->odd_flags += (data[47] & 2) != 0;
	s->sources += *(__u32 *)(data + 26);
	s->frames++;
}

SEC("xdp")
int mangle(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct mangle_seen *s;
	__u32 zero = 0;
	__u64 turn;

	s = bpf_map_lookup_elem(&seen, &zero);
	if (!s)
		return XDP_ABORTED;
	if (data + FRAME > end || (long)(end - data) != FRAME) {
		s->differed++;
		return XDP_DROP;
	}
	look(s, data);
#pragma unroll
	for (int at = 0; at < 54; at++) {
		/* what SNAT writes: MAC addresses, TTL, checksums, addresses, ports */
		if (at < 14 || at == 22 || at == 24 || at == 25 || (at >= 26 && at < 38) ||
		    at == 46 || at == 47 || at == 50 || at == 51)
			data[at] ^= 0x5a + at;
	}
	turn = s->frames % 3;
	if (move_head && turn)
		bpf_xdp_adjust_head(ctx, turn == 1 ? 4 : -4);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
