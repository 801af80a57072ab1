/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a step of the packet path returns: GO_ON, a drop reason as a negative
 * number, or what the hook shall do with the packet.
 */
#pragma once

#define GO_ON 0
#define DROP(reason) (-(int)(reason))
#define DONE(action) ((action) + VERDICT_BASE)

/* tc actions begin at -1. */
#define VERDICT_BASE 2

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
