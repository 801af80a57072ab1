/** A network as plain data: what the rig builds, and nothing about how. */

export type Role = 'client' | 'router' | 'lb' | 'worker';

export interface Route {
  /** Prefix or `default`. */
  readonly to: string;
  readonly via: string;
}

/** An address on a worker that stands for a pod; servers listen there. */
export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly app: 'web' | 'dns' | 'echo';
}

export interface Node {
  /** Short and unique in its topology: `client1`. */
  readonly name: string;
  readonly role: Role;
  /** Addresses with prefix length for the loopback device. */
  readonly loopback: readonly string[];
  readonly routes: readonly Route[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly pods: readonly Pod[];
  /** BGP's autonomous system; only routers and LB nodes have one. */
  readonly asn?: number;
  /** LB nodes: the addresses that packets to backends come from. */
  readonly snatPool?: string;
}

export interface LinkEnd {
  readonly node: string;
  readonly device: string;
  /** With prefix length; sits on the VLAN device if the link is tagged. */
  readonly address: string;
  /** An XDP program will sit here: the other end then gets what that needs. */
  readonly xdp: boolean;
}

export interface Link {
  readonly ends: readonly [LinkEnd, LinkEnd];
  readonly mtu: number;
  /** Transmit and receive queues of each end. */
  readonly queues: number;
  /** 802.1Q id; the addresses then sit on `<device>.<vlan>` on both ends. */
  readonly vlan?: number;
}

export interface Topology {
  /** Carried by every name that the rig makes, so that several stand side by side. */
  readonly id: string;
  readonly nodes: readonly Node[];
  readonly links: readonly Link[];
  readonly vipRange: string;
}

/** Letters a network namespace, a directory and a BIRD comment all bear. */
const ID = /^[a-z0-9][a-z0-9-]{0,19}$/;

/** The longest device name the kernel takes (IFNAMSIZ less the final zero). */
const DEVICE_NAME = 15;

/** Namespace of a node: `l4lb-<id>-<node>`. */
export function namespaceOf(topology: Pick<Topology, 'id'>, node: string): string {
  return `l4lb-${topology.id}-${node}`;
}

/** The device that carries a link end's address: the VLAN device of a tagged link. */
export function addressedDevice(link: Link, end: LinkEnd): string {
  return link.vlan === undefined ? end.device : `${end.device}.${link.vlan}`;
}

/** The node of that name; throws with the names there are. */
export function nodeOf(topology: Topology, name: string): Node {
  const node = topology.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) {
    const names = topology.nodes.map((candidate) => candidate.name).join(', ');
    throw new Error(`no node ${name} in rig ${topology.id}; there are ${names}`);
  }
  return node;
}

/** All nodes of a role, in the order of the declaration. */
export function nodesOf(topology: Topology, role: Role): readonly Node[] {
  return topology.nodes.filter((node) => node.role === role);
}

/** What stops this topology from being built, one sentence each; empty when it can. */
export function topologyErrors(topology: Topology): string[] {
  const errors: string[] = [];
  if (!ID.test(topology.id)) {
    errors.push(`id "${topology.id}": must be 1 to 20 of a-z, 0-9 and -, starting with a letter or digit`);
  }
  const names = topology.nodes.map((node) => node.name);
  for (const name of duplicates(names)) errors.push(`node ${name} is declared twice`);
  const devices: string[] = [];
  const addresses: string[] = topology.nodes.flatMap((node) => [...node.loopback]);
  for (const link of topology.links) {
    for (const end of link.ends) {
      if (!names.includes(end.node)) errors.push(`link end ${end.node}/${end.device}: there is no such node`);
      const device = addressedDevice(link, end);
      if (device.length > DEVICE_NAME) {
        errors.push(`device ${device} of ${end.node}: longer than ${DEVICE_NAME} characters`);
      }
      devices.push(`${end.node}/${end.device}`);
      addresses.push(end.address);
    }
    if (link.vlan !== undefined && (link.vlan < 1 || link.vlan > 4094)) {
      errors.push(`vlan ${link.vlan}: must be 1 to 4094`);
    }
    if (link.queues < 1) errors.push(`queues ${link.queues}: must be at least 1`);
  }
  for (const device of duplicates(devices)) errors.push(`device ${device} is declared twice`);
  for (const address of duplicates(addresses.map((cidr) => cidr.split('/')[0] ?? cidr))) {
    errors.push(`address ${address} is declared twice`);
  }
  return errors;
}

function duplicates(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, at) => values.indexOf(value) !== at))];
}
