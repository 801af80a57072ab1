/** Nodes and links of rigs that have no BGP, in both families. */
import type { Link, LinkEnd, Node } from './topology.ts';

const IPV6 = { 'net.ipv6.conf.all.disable_ipv6': '0', 'net.ipv6.conf.default.disable_ipv6': '0' };

/** Sysctls of a node that routes. */
export const ROUTES_BOTH = { ...IPV6, 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' };

export function node(name: string, role: Node['role'], more: Partial<Node> = {}): Node {
  return { name, role, loopback: [], routes: [], sysctls: IPV6, pods: [], ...more };
}

/** xdp: an XDP program will sit there. */
export function end(name: string, device: string, address: string, xdp = false): LinkEnd {
  return { node: name, device, address, xdp };
}

export function link(a: LinkEnd, b: LinkEnd, mtu = 1500): Link {
  return { ends: [a, b], mtu, queues: 2 };
}
