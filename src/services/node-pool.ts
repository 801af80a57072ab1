/** The nodes whose ports packets can be sent to. */
import {
  compareAddresses,
  type Family,
  familyOf,
  formatAddress,
  type IpAddress,
  isUnicast,
  parseAddress,
} from '../net/address.ts';
import { formatPrefix, type Prefix, prefixContains } from '../net/prefix.ts';
import type { KubeNode } from '../sources/kube-objects.ts';
import type { DesiredBackend, Problem } from './desired-state.ts';
import { type Report, reportAbout } from './report.ts';

/** A node by its address of one family. */
export interface NodeAddress {
  readonly name: string;
  readonly address: string;
  /** The address as a value, for sorting. */
  readonly number: IpAddress;
  /** Why it gets no new connections; undefined: it may get some. */
  readonly held: Held | undefined;
}

type Held = Extract<DesiredBackend['reason'], `node ${string}`>;

export interface NodePool {
  /** By family; sorted by address, each once. */
  readonly nodes: Readonly<Record<Family, readonly NodeAddress[]>>;
  readonly problems: readonly Problem[];
}

export const NO_NODES: NodePool = { nodes: { 4: [], 6: [] }, problems: [] };

/** LB nodes are none of them: what they send to their own address does not leave them. */
export function nodePool(all: readonly KubeNode[], ranges: readonly Prefix[]): NodePool {
  const problems: Problem[] = [];
  const found: Record<Family, Map<IpAddress, NodeAddress>> = { 4: new Map(), 6: new Map() };
  // Of two that have one address that counts which may get connections, then the first by name.
  const byUse = [...all].sort(
    (a, b) => Number(heldOf(a) !== undefined) - Number(heldOf(b) !== undefined) || (a.name < b.name ? -1 : 1),
  );
  for (const node of byUse.filter(({ isLb }) => !isLb)) {
    const report = reportAbout(node, problems);
    const addresses = usableAddresses(node, ranges, report);
    for (const [family, number] of addresses) {
      const address = formatAddress(number);
      const other = found[family].get(number);
      if (other === undefined)
        found[family].set(number, { name: node.name, address, number, held: heldOf(node) });
      else
        report(
          'warning',
          'duplicate-node-address',
          `${address} is the address of node ${other.name} too, which has it`,
          ADDRESSES,
        );
    }
  }
  const sorted = (family: Family): NodeAddress[] =>
    [...found[family].values()].sort((a, b) => compareAddresses(a.number, b.number));
  return { nodes: { 4: sorted(4), 6: sorted(6) }, problems };
}

const ADDRESSES = 'status.addresses';

/** The first of each family, as kubelet's own order has it. */
function usableAddresses(
  node: KubeNode,
  ranges: readonly Prefix[],
  report: Report,
): ReadonlyMap<Family, IpAddress> {
  const usable = new Map<Family, IpAddress>();
  for (const text of node.internalIPs) {
    const number = parseAddress(text);
    if (number === undefined || !isUnicast(number)) {
      const message = `the InternalIP "${text}" is not an address that a node can have`;
      report('error', 'invalid-node-address', message, ADDRESSES);
      continue;
    }
    const range = ranges.find((each) => prefixContains(each, number));
    if (range !== undefined) {
      const message = `the InternalIP ${formatAddress(number)} lies in the VIP range ${formatPrefix(range)}: packets to it would come back here`;
      report('error', 'node-in-vip-range', message, ADDRESSES);
      continue;
    }
    if (!usable.has(familyOf(number))) usable.set(familyOf(number), number);
  }
  if (node.internalIPs.length === 0) {
    const message = 'has no address of type InternalIP, so no packets are sent to it';
    report('warning', 'node-without-address', message, ADDRESSES);
  }
  return usable;
}

function heldOf({ leaving, excluded, ready }: KubeNode): Held | undefined {
  if (leaving) return 'node leaving';
  if (excluded) return 'node excluded';
  return ready ? undefined : 'node not ready';
}
