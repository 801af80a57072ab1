/** Small wrong edits of the C code, as a tired programmer would make them; each must be found. */
export interface Fault {
  readonly name: string;
  /** In bpf/. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
}

const fault = (name: string, file: string, from: string, to: string): Fault => ({ name, file, from, to });

export const FAULTS: readonly Fault[] = [
  fault('an offset alone makes no fragment', 'packet.h', 'bpf_htons(0x3fff)', 'bpf_htons(0x2000)'),
  fault(
    'total length may exceed the frame by a byte',
    'packet.h',
    '> hook_frame_length(ctx))',
    '> hook_frame_length(ctx) + 1)',
  ),
  fault('the fast path forwards a TTL of 1', 'fast_path.h', 'ip->ttl <= 1 ||', 'ip->ttl < 1 ||'),
  fault(
    'the fast path believes the total length',
    'fast_path.h',
    'ETH_HLEN + length > hook_frame_length(ctx)',
    'length > hook_frame_length(ctx)',
  ),
  fault(
    'the fast path takes a FIN for data',
    'fast_path.h',
    '(TCP_SYN | TCP_FIN | TCP_RST) << 8',
    '(TCP_SYN | TCP_RST) << 8',
  ),
  fault(
    'the fast path takes answers from any port of the backend',
    'fast_path.h',
    ' || backend->port != *(__u16 *)PLAIN_L4(frame)',
    '',
  ),
  fault(
    'the fast path sends to a next hop of another life',
    'fast_path.h',
    'hop->generation != record->client_next_hop >> 16 ||',
    '',
  ),
  fault('the fast path answers for detached flows', 'fast_path.h', '(0xff | FLOW_F_DETACHED << 8)', '0xff'),
  fault(
    'the fast path loses a carry',
    'checksum.h',
    'return difference + (difference >> 16);',
    'return difference;',
  ),
  fault('only one VLAN tag is skipped', 'packet.h', '#define VLAN_TAGS_MAX 2', '#define VLAN_TAGS_MAX 1'),
  fault('a TTL of 1 is forwarded', 'forward.h', 'if (pkt->ttl <= 1)', 'if (pkt->ttl < 1)'),
  fault(
    'a SYN with FIN is a SYN',
    'packet.h',
    '(TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == TCP_SYN',
    '(TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN',
  ),
  fault(
    'the carry of a checksum is folded once',
    'checksum.h',
    '	sum = (sum & 0xffff) + (sum >> 16);\n	sum = (sum & 0xffff) + (sum >> 16);',
    '	sum = (sum & 0xffff) + (sum >> 16);',
  ),
  fault(
    'a UDP checksum of 0 is updated',
    'hook_xdp.h',
    'if (protocol == IPPROTO_UDP && *sum == 0)',
    'if (protocol == IPPROTO_UDP && *sum == 1)',
  ),
  fault(
    'ports are missing in the L4 difference',
    'new_flow.h',
    'forward->snat_port | (__u32)backend->port << 16));',
    'forward->snat_port | (__u32)backend->port << 8));',
  ),
  fault(
    'the backend’s generation is not compared',
    'forward.h',
    'backend->state == BACKEND_FREE || backend->generation != generation',
    'backend->state == BACKEND_FREE',
  ),
  fault(
    'a SYN keeps a flow whose table moved on',
    'forward.h',
    'if (life.state != FLOW_SYN && !slot_names(pkt, flow->backend))',
    'if (life.state == FLOW_SYN && !slot_names(pkt, flow->backend))',
  ),
  fault(
    'a silent UDP flow lives for ever',
    'forward.h',
    'if (due && pkt->protocol == IPPROTO_UDP && life_expired(life, pkt->now))',
    'if (due && pkt->protocol == IPPROTO_TCP && life_expired(life, pkt->now))',
  ),
  fault(
    'a closed flow is refreshed',
    'flow_state.h',
    '		if (old.state != FLOW_CLOSED)\n			new.seen = pkt->now;',
    '		new.seen = pkt->now;',
  ),
  fault(
    'both FINs of one side close',
    'flow_state.h',
    'if (state == others)',
    'if (state == others || state == mine)',
  ),
  fault(
    'a timeout ends a jiffy early',
    'flow_state.h',
    'return now - life.seen > config.timeout[state];',
    'return now - life.seen >= config.timeout[state];',
  ),
  fault(
    'the walk ends a port early',
    'snat_ports.h',
    'if ((index & 0xffff) < config.snat_port_max)',
    'if ((index & 0xffff) + 1 < config.snat_port_max)',
  ),
  fault(
    'the port closed the shortest is reused',
    'snat_ports.h',
    'age > claim->oldest_age',
    'age < claim->oldest_age',
  ),
  fault(
    'ports are shared with the same backend',
    'snat_record.h',
    'return backend->addr[0] != claim->tuple.backend[0] ||',
    'return 1 || backend->addr[0] != claim->tuple.backend[0] ||',
  ),
  fault(
    'a claimed record leaves its former half behind',
    'snat_record.h',
    'if (old.state != FLOW_FREE)',
    'if (old.state > FLOW_CLOSED)',
  ),
  fault(
    'the shared key of a former flow stays',
    'snat_record.h',
    'if (!(flags & FLOW_F_EXTRA))',
    'if (!(flags & FLOW_F_SHARED))',
  ),
  fault(
    'an answer’s source port is not looked at',
    'answer.h',
    'backend->addr[0] != pkt->source || backend->port != source_port(pkt)',
    'backend->addr[0] != pkt->source',
  ),
  fault(
    'detached flows are answered',
    'flow_state.h',
    'return life.state > FLOW_CLAIMED && !(life.flags & FLOW_F_DETACHED);',
    'return life.state > FLOW_CLAIMED;',
  ),
  fault(
    'a RST acknowledges one byte too few',
    'reject.h',
    'segment += !!(pkt->tcp_flags & TCP_SYN) + !!(pkt->tcp_flags & TCP_FIN);',
    'segment += !!(pkt->tcp_flags & TCP_SYN);',
  ),
  fault(
    'the budget never fills up',
    'reject.h',
    'if (budget->tokens > config.reject_per_second)',
    'if (budget->tokens > 2 * config.reject_per_second)',
  ),
  fault('loopback sources are answered', 'reject.h', 'source >> 24 != 127 && ', ''),
  fault(
    'the second multiplication of the hash is missing',
    'maglev.h',
    '	hash *= 0xc4ceb9fe1a85ec53ull;\n',
    '',
  ),
  fault(
    'packets to the node’s own address are dropped',
    'pipeline.h',
    'pkt->role == ROLE_ANSWER && pkt->snat_own &&',
    'pkt->role == ROLE_ANSWER && !pkt->snat_own &&',
  ),
  fault(
    'an unknown device is used',
    'next_hop.h',
    'if (!device && fib_ifindex != ingress)',
    'if (!device && fib_ifindex == 0)',
  ),
  fault(
    'bytes of answers are counted as requests',
    'counters.h',
    '		counters->bytes_out += length;\n	}\n	counters = bpf_map_lookup_elem(&backend_counters',
    '		counters->bytes_in += length;\n	}\n	counters = bpf_map_lookup_elem(&backend_counters',
  ),
];
