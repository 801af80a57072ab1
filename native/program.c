// SPDX-License-Identifier: GPL-2.0
/* What a loaded program is, and running it on a made-up packet. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "l4lb.h"

int l4lb_program_info(int program_fd, __u32 *info, char *name);

/* id, type, instructions the verifier walked; name has BPF_OBJ_NAME_LEN bytes. */
L4LB_EXPORT int l4lb_program_info(int program_fd, __u32 *info, char *name)
{
	struct bpf_prog_info program = {};
	__u32 length = sizeof(program);
	int error = bpf_obj_get_info_by_fd(program_fd, &program, &length);

	if (error)
		return error;
	info[0] = program.id;
	info[1] = program.type;
	info[2] = program.verified_insns;
	memcpy(name, program.name, BPF_OBJ_NAME_LEN);
	return 0;
}

/*
 * Runs a program on data_in. ifindex 0 is the loopback device. data_size is
 * the room in data_out and becomes what the packet has afterwards; result
 * gets the return value and the mean duration in nanoseconds. flags are
 * BPF_F_TEST_*.
 */
L4LB_EXPORT int l4lb_test_run(int program_fd, const void *data_in, __u32 data_in_size,
			      void *data_out, __u32 *data_size, int repeat, __u32 ifindex,
			      __u32 flags, __u32 *result)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data_in, .data_size_in = data_in_size,
		    .data_out = data_out, .data_size_out = *data_size, .repeat = repeat,
		    .flags = flags);
	struct xdp_md xdp = { .data_end = data_in_size, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex, .ingress_ifindex = ifindex };
	__u32 info[3];
	char name[BPF_OBJ_NAME_LEN];
	int error = l4lb_program_info(program_fd, info, name);

	if (error)
		return error;
	if (ifindex && info[1] == BPF_PROG_TYPE_XDP) {
		options.ctx_in = &xdp;
		options.ctx_size_in = sizeof(xdp);
	} else if (ifindex && info[1] == BPF_PROG_TYPE_SCHED_CLS) {
		options.ctx_in = &skb;
		options.ctx_size_in = sizeof(skb);
	}
	error = bpf_prog_test_run_opts(program_fd, &options);
	*data_size = options.data_size_out;
	result[0] = options.retval;
	result[1] = options.duration;
	return error;
}
