/**
 * All nodes on one segment, as l2 mode needs it, and a client behind a link
 * that is narrower than any other.
 *
 *     client1 ────────────┐          ┌── lb1, lb2
 *                      router1 ── segment ── worker1 ── pod1
 *     client2 ── path1 ───┘          └── host1 (holds VIPs on lo)
 *              1300 bytes
 */
import { UPLINK } from '../one-armed.ts';
import { end, link } from '../plain-topology.ts';
import type { Link, Node, Topology } from '../topology.ts';
import { NARROW_PATHS, podAddress, type TrafficPath, WIDE_PATHS } from './paths.ts';

/** Room for the outer headers. */
const SEGMENT_MTU = 1600;
/** Bytes of IP packet between client2 and the router. */
export const CLIENT_PATH_MTU = 1300;

export const LBS = ['lb1', 'lb2'] as const;
export const CLIENT_ADDRESS = {
  client1: { 4: '10.10.1.2', 6: '2001:db8:10:1::2' },
  client2: { 4: '10.10.2.2', 6: '2001:db8:10:2::2' },
} as const;
/** On the segment. */
export const SEGMENT = { lb1: 11, lb2: 12, worker1: 20, host1: 30 } as const;
export const segmentAddress = (n: number) => ({ 4: `10.20.0.${n}`, 6: `2001:db8:20::${n}` });

const V6 = { 'net.ipv6.conf.all.disable_ipv6': '0', 'net.ipv6.conf.default.disable_ipv6': '0' };
const FORWARDING = {
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.conf.default.send_redirects': '0',
  // Every hop of every trace is to answer.
  'net.ipv4.icmp_ratelimit': '0',
  'net.ipv6.icmp.ratelimit': '0',
};
/** A host with a VIP on lo neither answers for it nor asks with it as sender. */
const QUIET_ARP = { 'net.ipv4.conf.all.arp_ignore': '1', 'net.ipv4.conf.all.arp_announce': '2' };

const isOnHost = (path: TrafficPath) => path.mode === 'l2';
export const POD_PATHS = [...WIDE_PATHS, ...NARROW_PATHS].filter((path) => !isOnHost(path));
export const HOST_PATHS = [...WIDE_PATHS, ...NARROW_PATHS].filter(isOnHost);

function node(name: string, role: Node['role'], sysctls: Record<string, string> = {}): Node {
  return { name, role, loopback: [], routes: [], sysctls: { ...V6, ...sysctls }, pods: [] };
}

function serving(base: Node, paths: readonly TrafficPath[]): Node {
  return { ...base, pods: paths.map(({ name, server }) => ({ name, address: server, app: 'web' })) };
}

/** The router's end is a port of the segment's bridge, which takes the address off it. */
function onSegment(name: keyof typeof SEGMENT, xdp: boolean, mtu = SEGMENT_MTU): Link {
  const n = SEGMENT[name];
  return link(
    end(name, UPLINK, `${segmentAddress(n)[4]}/24`, xdp),
    end('router1', name, `169.254.${n}.1/24`),
    mtu,
  );
}

/** xdp: XDP programs will sit on the nodes' devices; else all offloads stay on. */
export function trafficTopology(id: string, xdp: boolean): Topology {
  return {
    id,
    vipRange: '10.1.0.0/24',
    nodes: [
      node('router1', 'router', FORWARDING),
      node('path1', 'router', FORWARDING),
      node('client1', 'client'),
      node('client2', 'client'),
      ...LBS.map((lb) => node(lb, 'lb')),
      node('worker1', 'worker', FORWARDING),
      serving(node('pod1', 'worker'), POD_PATHS),
      serving(node('host1', 'worker', QUIET_ARP), HOST_PATHS),
    ],
    links: [
      link(end('client1', UPLINK, '10.10.1.2/24'), end('router1', 'client1', '10.10.1.1/24')),
      link(end('client2', UPLINK, '10.10.2.2/24'), end('path1', 'client2', '10.10.2.1/24')),
      link(end('path1', UPLINK, '10.10.3.2/24'), end('router1', 'path1', '10.10.3.1/24'), CLIENT_PATH_MTU),
      ...LBS.map((lb) => onSegment(lb, xdp)),
      onSegment('worker1', xdp),
      onSegment('host1', false, 1500),
      link(end('worker1', 'pod1', '10.40.0.1/16'), end('pod1', UPLINK, `${podAddress(4, false, 2)}/16`)),
    ],
  };
}
