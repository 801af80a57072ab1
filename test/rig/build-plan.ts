/**
 * From the declaration to the commands that build it, in order. Pure: what
 * runs them is `rig.ts`.
 */
import {
  addressedDevice,
  type Link,
  type LinkEnd,
  type Node,
  namespaceOf,
  type Topology,
} from './topology.ts';

export interface Step {
  /** Network namespace it runs in; null is the one of the caller. */
  readonly netns: string | null;
  readonly program: 'ip' | 'sysctl' | 'ethtool' | 'bpftool';
  readonly args: readonly string[];
}

/** Consecutive steps that one process can do: `ip -batch`, one `sysctl -w`. */
export interface StepGroup {
  readonly netns: string | null;
  readonly program: Step['program'];
  readonly calls: ReadonlyArray<readonly string[]>;
}

/**
 * Namespaces first, then sysctls, links, addresses, routes, programs. xdpPass: where the program that passes
 * everything is pinned.
 */
export function buildSteps(topology: Topology, xdpPass: string): Step[] {
  return [
    ...topology.nodes.map((node) => ip(null, 'netns', 'add', namespaceOf(topology, node.name))),
    ...topology.nodes.map((node) => sysctls(topology, node)),
    ...topology.links.map((link) => vethPair(topology, link)),
    ...topology.nodes.flatMap((node) => nodeSteps(topology, node)),
    ...topology.links.flatMap((link) => link.ends.flatMap((end, at) => offloads(topology, link, end, at))),
    ...topology.links.flatMap((link) =>
      link.ends.flatMap((end, at) => xdp(topology, link, end, at, xdpPass)),
    ),
  ];
}

/** Merges neighbours in the list that run in the same namespace by the same program. */
export function groupSteps(steps: readonly Step[]): StepGroup[] {
  const groups: Array<{ netns: string | null; program: Step['program']; calls: Array<readonly string[]> }> =
    [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last !== undefined && last.netns === step.netns && last.program === step.program) {
      last.calls.push(step.args);
    } else {
      groups.push({ netns: step.netns, program: step.program, calls: [step.args] });
    }
  }
  return groups;
}

function ip(netns: string | null, ...args: string[]): Step {
  return { netns, program: 'ip', args };
}

function sysctls(topology: Topology, node: Node): Step {
  // Before there are devices: a device takes `default` when it is made. IPv6 off keeps captures quiet.
  const values = {
    'net.ipv6.conf.all.disable_ipv6': '1',
    'net.ipv6.conf.default.disable_ipv6': '1',
    ...node.sysctls,
  };
  const args = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return { netns: namespaceOf(topology, node.name), program: 'sysctl', args };
}

function vethPair(topology: Topology, link: Link): Step {
  const [a, b] = link.ends;
  const queues = ['numtxqueues', `${link.queues}`, 'numrxqueues', `${link.queues}`, 'mtu', `${link.mtu}`];
  const side = (end: LinkEnd) => ['name', end.device, 'netns', namespaceOf(topology, end.node), ...queues];
  return ip(null, 'link', 'add', ...side(a), 'type', 'veth', 'peer', ...side(b));
}

function nodeSteps(topology: Topology, node: Node): Step[] {
  const netns = namespaceOf(topology, node.name);
  const ends = topology.links.flatMap((link) =>
    link.ends.filter((end) => end.node === node.name).map((end) => ({ link, end })),
  );
  return [
    ip(netns, 'link', 'set', 'lo', 'up'),
    ...node.loopback.map((address) => ip(netns, 'address', 'add', address, 'dev', 'lo')),
    ...ends.flatMap(({ link, end }) => endSteps(netns, link, end)),
    ...node.routes.map((route) => ip(netns, 'route', 'add', route.to, 'via', route.via)),
  ];
}

function endSteps(netns: string, link: Link, end: LinkEnd): Step[] {
  const device = addressedDevice(link, end);
  const up = [ip(netns, 'link', 'set', end.device, 'up')];
  if (link.vlan !== undefined) {
    up.push(
      ip(netns, 'link', 'add', 'link', end.device, 'name', device, 'type', 'vlan', 'id', `${link.vlan}`),
      ip(netns, 'link', 'set', device, 'up'),
    );
  }
  return [...up, ip(netns, 'address', 'add', end.address, 'dev', device)];
}

/** XDP must see finished checksums and, on a tagged link, the tag in the frame: no offloads towards it. */
function offloads(topology: Topology, link: Link, end: LinkEnd, at: number): Step[] {
  if (link.ends[at === 0 ? 1 : 0].xdp === false) return [];
  const tag = link.vlan === undefined ? [] : ['txvlan', 'off'];
  const args = ['-K', end.device, 'tx', 'off', ...tag];
  return [{ netns: namespaceOf(topology, end.node), program: 'ethtool', args }];
}

/**
 * A veth takes what XDP_TX and redirects send only while a native program sits on its own end. Not by `ip`,
 * whose loader leaves a directory and symbolic links in a BPF file system that it can see.
 */
function xdp(topology: Topology, link: Link, end: LinkEnd, at: number, pin: string): Step[] {
  if (end.xdp || link.ends[at === 0 ? 1 : 0].xdp === false) return [];
  const args = ['net', 'attach', 'xdpdrv', 'pinned', pin, 'dev', end.device];
  return [{ netns: namespaceOf(topology, end.node), program: 'bpftool', args }];
}
