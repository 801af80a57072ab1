/* SPDX-License-Identifier: GPL-2.0 */
/* Never loaded: an object whose BTF has every type that crosses the kernel
 * boundary, of all programs. The TypeScript layouts are generated from it. */
#include "maps.h"
#include "node_maps.h"
#include "config.h"
#include "node_config.h"
#include "exported_types.h"
