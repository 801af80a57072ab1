/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the agent sets before load. The verifier knows these values, so code
 * behind an option that is off does not exist in the loaded program.
 */
#pragma once

#include "clock.h"
#include "config_types.h"

const volatile struct lb_config config = {};

/* Slots of a Maglev table by size class; primes, see the Maglev paper, 3.4. */
const __u32 table_sizes[16] = { 0, 251, 1021, 4099, 16381, 65537, 131071 };
