/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Enums whose values are only compared leave no trace in an object's BTF. This
 * variable, which nothing reads, puts them there: the TypeScript layouts are
 * generated from it.
 */
#pragma once

#include "node_types.h"
#include "types.h"

const volatile struct exported_enums {
	enum layout layout;
	enum address_family address_family;
	enum drop_reason drop_reason;
	enum event_kind event_kind;
	enum answer_kind answer_kind;
	enum backend_state backend_state;
	enum service_mode service_mode;
	enum service_flag service_flag;
	enum flow_state flow_state;
	enum flow_flag flow_flag;
	enum next_hop_state next_hop_state;
	enum node_drop_reason node_drop_reason;
	enum node_event node_event;
} exported_enums = {};
