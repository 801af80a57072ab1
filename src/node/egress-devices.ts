/** Which devices a program may send to, by the ifindex that the FIB names. */
import type { Link } from './ip.ts';

/** A VLAN device stands for its parent and a tag; `vlan` 0: the device itself. */
export interface Egress {
  /** What the FIB names. */
  readonly ifindex: number;
  /** The device the frame leaves by. */
  readonly parent: number;
  readonly vlan: number;
}

/**
 * The managed devices themselves and one level of VLAN devices on top of them. A stack of tags is left
 * to the kernel, since a next hop holds one tag.
 */
export function findEgress(links: readonly Link[], managed: readonly string[]): Egress[] {
  const own = links.filter((link) => managed.includes(link.name));
  const vlans = links.flatMap((link) => {
    const parent = own.find((candidate) => candidate.name === link.parent);
    if (parent === undefined || link.vlan === undefined) return [];
    return [{ ifindex: link.ifindex, parent: parent.ifindex, vlan: link.vlan }];
  });
  return [...own.map((link) => ({ ifindex: link.ifindex, parent: link.ifindex, vlan: 0 })), ...vlans];
}

/** The devices behind which packets come in: the managed ones and VLANs on them. */
export function ingressDevices(links: readonly Link[], managed: readonly string[]): string[] {
  return links
    .filter(
      (link) => managed.includes(link.name) || (link.parent !== undefined && managed.includes(link.parent)),
    )
    .map((link) => link.name);
}
