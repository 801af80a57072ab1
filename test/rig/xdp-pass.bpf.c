/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Passes every packet. It sits on the peers of XDP devices: a veth receives
 * what its other end sends by XDP_TX or redirect only while it runs NAPI,
 * which a native program turns on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
