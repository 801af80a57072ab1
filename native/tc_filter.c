// SPDX-License-Identifier: GPL-2.0
/*
 * Programs on tc where the kernel has no tcx links (before 6.6): direct-action
 * filters on the clsact qdisc, on ingress, or on egress if that is said. A
 * filter stays until it is deleted, whoever made it, and holds its program.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "l4lb.h"

/* Where our filter sits: before others, and under a handle that says whose it is. */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE 0x6c34	/* "l4" */

#define FILTER_HOOK(hook, device, egress)				\
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device,		\
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS)

/* 0: there is no such device in this network namespace. */
L4LB_EXPORT int l4lb_device_index(const char *name)
{
	return if_nametoindex(name);
}

/* Puts the program there, or in the place of the one that is: no packet goes without. */
L4LB_EXPORT int l4lb_filter_set(int program_fd, int ifindex, int egress)
{
	FILTER_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .handle = FILTER_HANDLE,
		    .priority = FILTER_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int error = bpf_tc_hook_create(&hook);

	if (error && error != -EEXIST)
		return error;
	return bpf_tc_attach(&hook, &options);
}

/* The id of the program in our place, 0: none. */
L4LB_EXPORT int l4lb_filter_query(int ifindex, int egress, __u32 *program_id)
{
	FILTER_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int error = bpf_tc_query(&hook, &options);

	*program_id = error ? 0 : options.prog_id;
	/* EINVAL: there is not even a clsact qdisc. */
	return error == -ENOENT || error == -EINVAL ? 0 : error;
}

struct filter_dump {
	struct nlmsghdr header;
	struct tcmsg message;
};

/* Reads answers to their end; how many filters they told of. */
static int count_answers(int socket_fd)
{
	char buffer[32 * 1024];
	int count = 0;

	for (;;) {
		int length = recv(socket_fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *answer = (struct nlmsghdr *)buffer;

		if (length < 0)
			return -errno;
		for (; NLMSG_OK(answer, (__u32)length); answer = NLMSG_NEXT(answer, length)) {
			if (answer->nlmsg_type == NLMSG_DONE)
				return count;
			if (answer->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(answer))->error;
			count += answer->nlmsg_type == RTM_NEWTFILTER;
		}
	}
}

static int count_filters(int socket_fd, int ifindex, __u32 direction)
{
	struct filter_dump request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETTFILTER,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.message = {
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction),
		},
	};

	if (send(socket_fd, &request, sizeof(request), 0) < 0)
		return -errno;
	return count_answers(socket_fd);
}

/* Of anybody, in both directions. */
static int count_all_filters(int ifindex)
{
	int socket_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int ingress, egress;

	if (socket_fd < 0)
		return -errno;
	ingress = count_filters(socket_fd, ifindex, TC_H_MIN_INGRESS);
	egress = ingress < 0 ? 0 : count_filters(socket_fd, ifindex, TC_H_MIN_EGRESS);
	close(socket_fd);
	if (ingress < 0)
		return ingress;
	return egress < 0 ? egress : ingress + egress;
}

/* Takes our filter off, and the qdisc too when nobody has a filter there. */
L4LB_EXPORT int l4lb_filter_remove(int ifindex, int egress)
{
	FILTER_HOOK(hook, ifindex, egress);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int error = bpf_tc_detach(&hook, &options);

	if (error && error != -ENOENT && error != -EINVAL)
		return error;
	if (count_all_filters(ifindex) != 0)
		return 0;
	/* Only both directions together take the qdisc away. */
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	error = bpf_tc_hook_destroy(&hook);
	return error == -ENOENT || error == -EINVAL ? 0 : error;
}
