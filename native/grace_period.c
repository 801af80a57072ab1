// SPDX-License-Identifier: GPL-2.0
/*
 * MEMBARRIER_CMD_GLOBAL waits for an RCU grace period in the kernel: when it
 * returns, every program that ran when it was called has ended. It takes some
 * 10 ms, so the caller puts it on a worker thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "l4lb.h"

L4LB_EXPORT int l4lb_grace_period(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}
