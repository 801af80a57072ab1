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
    'read_packet.h',
    'return DROP(DROP_BAD_HEADER);\n\tif (pkt->l3_offset + pkt->length > hook_frame_length(ctx))\n\t\treturn DROP(DROP_TRUNCATED);\n\tif (ip->frag_off',
    'return DROP(DROP_BAD_HEADER);\n\tif (pkt->l3_offset + pkt->length > hook_frame_length(ctx) + 1)\n\t\treturn DROP(DROP_TRUNCATED);\n\tif (ip->frag_off',
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
    'next_state.h',
    'if (state == others)',
    'if (state == others || state == mine)',
  ),
  fault(
    'a timeout ends a jiffy early',
    'life.h',
    'return age > timeouts[state] &&',
    'return age >= timeouts[state] &&',
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
    'return !same_address(backend->addr, claim->tuple.backend) ||',
    'return 1 || !same_address(backend->addr, claim->tuple.backend) ||',
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
    '!same_address(backend->addr, pkt->source) || backend->port != source_port(pkt)',
    '!same_address(backend->addr, pkt->source)',
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
    'send_icmp.h',
    'if (budget->tokens > config.reject_per_second)',
    'if (budget->tokens > 2 * config.reject_per_second)',
  ),
  fault('loopback sources are answered', 'send_icmp.h', 'source >> 24 != 127 && ', ''),
  fault(
    'the second multiplication of the hash is missing',
    'maglev.h',
    '	hash += (__u64)vip << 32 | protocol;\n	hash *= MIX_SECOND;\n',
    '	hash += (__u64)vip << 32 | protocol;\n',
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
    'packet_counter.h',
    'counters->bytes_out += length;',
    'counters->bytes_in += length;',
  ),
  fault(
    'of an IPv6 client only the first half is hashed',
    'maglev.h',
    '\thash += address_high(client);\n',
    '',
  ),
  fault(
    'the place of an IPv6 frontend leaves out half of its address',
    'address.h',
    ' ^ address_high(address);',
    ';',
  ),
  fault(
    'of six extension headers one more is walked',
    'read_packet.h',
    'size < 0 || i == IPV6_HEADERS_MOST',
    'size < 0 || i > IPV6_HEADERS_MOST',
  ),
  fault(
    'routing headers with segments left are forwarded',
    'read_packet.h',
    'if (*next == IPPROTO_ROUTING && bytes[3])',
    'if (0)',
  ),
  fault(
    'the payload length of IPv6 is taken for the total',
    'read_packet.h',
    'pkt->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);',
    'pkt->length = bpf_ntohs(ip->payload_len);',
  ),
  fault(
    'fragments of all protocols share what was taught',
    'fragment.h',
    'key->protocol = pkt->protocol;',
    'key->protocol = 0;',
  ),
  fault(
    'a first fragment teaches though it was dropped',
    'pipeline.h',
    'unlikely(pkt->fragment == FRAGMENT_FIRST) && result > GO_ON',
    'unlikely(pkt->fragment == FRAGMENT_FIRST)',
  ),
  fault(
    'the ports of a later fragment are rewritten too',
    'rewrite.h',
    'if (pkt->fragment == FRAGMENT_LATER)',
    'if (0)',
  ),
  fault('a fragment is refused aloud', 'reject.h', 'return !pkt->fragment && ', 'return '),
  fault(
    'an error about any address goes to the flow that it quotes',
    'icmp_error.h',
    '\tif (!same_address(quote->source, pkt->destination))\n\t\treturn DROP(DROP_ICMP_NO_FLOW);\n\tif (!flow)',
    '\tif (!flow)',
  ),
  fault(
    'the backend’s own error keeps its address',
    'icmp_error.h',
    'same_address(pkt->source, quote->destination) ?',
    '0 ?',
  ),
  fault(
    'ICMPv6 checksums forget the quoted addresses',
    'icmp_error.h',
    'diff += outer + pair_diff(quote->source, view->source, quote->destination,\n\t\t\t\t\t  view->destination);',
    'diff += outer;',
  ),
  fault(
    'errors that claim a tiny MTU are believed',
    'quote.h',
    'return mtu == 0 || mtu >= LEAST_MTU_V4;',
    'return 1;',
  ),
  fault(
    'the time of ICMP is answered too',
    'time_exceeded.h',
    'pkt->role != ROLE_TO_VIP || is_icmp(pkt) ||',
    'pkt->role != ROLE_TO_VIP ||',
  ),
  fault(
    'IPv6 flows take the SNAT addresses of IPv4',
    'snat_ports.h',
    'return family == FAMILY_V6 ? config.snat4_addresses : 0;',
    'return 0;',
  ),
];
