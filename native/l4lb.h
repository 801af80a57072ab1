/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent cannot do well through a foreign-function call: anything
 * with option structs, callbacks or many entries. No policy here; every
 * function returns 0 or more, or -errno.
 *
 * Results go into arrays of the caller, so that no struct has to be typed a
 * second time in TypeScript.
 */
#pragma once

#define L4LB_EXPORT __attribute__((visibility("default")))

/* Bytes a map value takes in memory shared with the kernel. */
#define ROUND_UP_8(size) (((size_t)(size) + 7) & ~(size_t)7)
