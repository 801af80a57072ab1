/** Addresses of IPv6 in the VM's network, which the rig's declarations do not have. */
import type { Node } from '../rig/topology.ts';

export const VIP_RANGE6 = '2001:db8:1::/64';
export const CLIENT6 = '2001:db8:10::2';
export const ROUTER_TO_CLIENT6 = '2001:db8:10::1';

/** The node with IPv6 on; routers forward it. */
export function withIpv6(node: Node): Node {
  const forwarding: Readonly<Record<string, string>> =
    node.role === 'router' ? { 'net.ipv6.conf.all.forwarding': '1' } : {};
  const on = { 'net.ipv6.conf.all.disable_ipv6': '0', 'net.ipv6.conf.default.disable_ipv6': '0' };
  return { ...node, sysctls: { ...node.sysctls, ...on, ...forwarding } };
}
