// SPDX-License-Identifier: GPL-2.0
/* Programs on devices. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include "l4lb.h"

/* Newer than the headers of Debian 12; libbpf hands it through. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/* Attaches by a link and returns its descriptor. mode: 0 native XDP, 1 generic
 * XDP, 2 tc ingress, 3 tc egress. */
L4LB_EXPORT int l4lb_attach(int program_fd, int ifindex, int mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	char device[IF_NAMESIZE];

	/* The kernel would say EINVAL, as for many other things. */
	if (!if_indextoname(ifindex, device))
		return -ENODEV;
	if (mode >= 2)
		return bpf_link_create(program_fd, ifindex, mode == 2 ? TCX_INGRESS : TCX_EGRESS,
				       &options);
	options.flags = mode == 0 ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	return bpf_link_create(program_fd, ifindex, BPF_XDP, &options);
}

/* program id, ifindex (0: the device is gone), link type */
L4LB_EXPORT int l4lb_link_info(int link_fd, __u32 *info)
{
	struct bpf_link_info link = {};
	__u32 length = sizeof(link);
	int error = bpf_obj_get_info_by_fd(link_fd, &link, &length);

	if (error)
		return error;
	info[0] = link.prog_id;
	info[1] = link.xdp.ifindex;	/* a tcx link has its ifindex in the same place */
	info[2] = link.type;
	return 0;
}

/* Programs by XDP: ids of the native, generic and offloaded one, 0: none. */
L4LB_EXPORT int l4lb_xdp_query(int ifindex, __u32 *ids)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, options);
	int error = bpf_xdp_query(ifindex, 0, &options);

	ids[0] = options.drv_prog_id;
	ids[1] = options.skb_prog_id;
	ids[2] = options.hw_prog_id;
	return error;
}

/* Ids of the programs on tc by tcx, *count of them. mode: as for l4lb_attach. */
L4LB_EXPORT int l4lb_tcx_query(int ifindex, int mode, __u32 *ids, __u32 *count)
{
	return bpf_prog_query(ifindex, mode == 2 ? TCX_INGRESS : TCX_EGRESS, 0, NULL, ids, count);
}
