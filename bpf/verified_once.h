/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A static function is walked by the verifier anew for each state in which a
 * call reaches it, and before Linux 6.5 the verifier forgets, at such a call,
 * which values matter: then hardly two states are alike, and loops and long
 * functions multiply. One that is not static is walked once, with all that the
 * types of its arguments allow.
 *
 * In return it gives back a number, and takes numbers, the hook's context, and
 * pointers to structs that have no padding and are written before; of these the
 * caller knows nothing afterwards. On Linux 6.1 it can't look up a map by a key
 * that it was given: it makes its own.
 */
#pragma once

#include <bpf/bpf_helpers.h>

#define VERIFIED_ONCE __noinline	/* instead of static */
