/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The least that a load balancer can do, as programs behind the wrapper: what
 * the machine gives for free, and against what the real program is compared.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifdef XDP_FRAGS
#define FLOOR_SECTION SEC("xdp.frags")
#else
#define FLOOR_SECTION SEC("xdp")
#endif

/* The sizes of the product's: a client's tuple, and a 40-byte forward entry. */
struct floor_key {
	__u32 source;
	__u32 destination;
	__u32 ports;
	__u32 protocol;
};

struct floor_value {
	__u64 mac_low;
	__u32 mac_high;
	__u32 pad[7];
};

/* The size of the product's flow record. */
struct floor_record {
	__u64 mac_low;
	__u32 mac_high;
	__u32 source;
	__u64 pad[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct floor_key);
	__type(value, struct floor_value);
} floor_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct floor_record);
} floor_records SEC(".maps");

/* Packets that took the whole way; the bench compares it with its repeats. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} floor_hits SEC(".maps");

/* First SNAT address of the answers, host order: index = (address - this) * 65536 + port. */
const volatile __u32 record_base = 0;

#define FIELD(type, offset) (*(type *)(data + (offset)))

static __always_inline void hit(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&floor_hits, &zero);

	if (count)
		(*count)++;
}

/* Bounds, Ethernet type, version and header length, not a fragment, the tuple. */
static __always_inline int parse_tuple(struct xdp_md *ctx, struct floor_key *key)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 54 > end || FIELD(__u16, 12) != 0x0008)
		return -1;
	if (FIELD(__u8, 14) != 0x45 || (FIELD(__u16, 20) & 0xff3f))
		return -1;
	key->protocol = FIELD(__u8, 23);
	key->source = FIELD(__u32, 26);
	key->destination = FIELD(__u32, 30);
	key->ports = FIELD(__u32, 34);
	return 0;
}

static __always_inline int send(struct xdp_md *ctx, __u64 mac_low, __u32 mac_high)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 54 > end)
		return XDP_ABORTED;
	FIELD(__u64, 0) = mac_low;
	FIELD(__u32, 8) = mac_high;
	hit();
	return XDP_TX;
}

FLOOR_SECTION
int empty(struct xdp_md *ctx)
{
	return XDP_TX;
}

FLOOR_SECTION
int parse(struct xdp_md *ctx)
{
	struct floor_key key;

	if (parse_tuple(ctx, &key))
		return XDP_PASS;
	return send(ctx, ((__u64)key.source << 32) | key.ports, key.destination ^ key.protocol);
}

/* parse, and one lookup that hits. */
FLOOR_SECTION
int parse_lru(struct xdp_md *ctx)
{
	struct floor_value *value;
	struct floor_key key;

	if (parse_tuple(ctx, &key))
		return XDP_PASS;
	value = bpf_map_lookup_elem(&floor_flows, &key);
	if (!value)
		return XDP_PASS;
	return send(ctx, value->mac_low, value->mac_high);
}

/* parse, and one cache line found by (destination address, port). */
FLOOR_SECTION
int parse_record(struct xdp_md *ctx)
{
	struct floor_record *record;
	struct floor_key key;
	__u32 index;

	if (parse_tuple(ctx, &key))
		return XDP_PASS;
	index = (__builtin_bswap32(key.destination) - record_base) << 16 |
		__builtin_bswap16(key.ports >> 16);
	record = bpf_map_lookup_elem(&floor_records, &index);
	if (!record || record->source == 0xffffffff)
		return XDP_PASS;
	return send(ctx, record->mac_low, record->mac_high);
}

/* parse, and one insertion; also fills the table of parse_lru. */
FLOOR_SECTION
int parse_insert(struct xdp_md *ctx)
{
	struct floor_value value = { .mac_low = 0x0200010000000002ull, .mac_high = 0x01000000 };
	struct floor_key key;

	if (parse_tuple(ctx, &key))
		return XDP_PASS;
	if (bpf_map_update_elem(&floor_flows, &key, &value, BPF_ANY))
		return XDP_PASS;
	return send(ctx, value.mac_low, value.mac_high);
}

char LICENSE[] SEC("license") = "GPL";
