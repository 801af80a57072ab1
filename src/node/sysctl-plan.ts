/**
 * Which kernel settings packets need that a program hands to the kernel
 * (next hop not resolved yet), and why. Pure: the caller reads and writes.
 *
 * - `forwarding` of each device the programs sit on: bpf_fib_lookup and the
 *   kernel's own forwarding ask the ingress device alone. `ip_forward` is left
 *   alone, because writing it changes every device of the node.
 * - `rp_filter` 0: a client's packet may come in by another device than its
 *   answer leaves by. The kernel takes the larger of `all` and the device, so
 *   `all` must be 0; the devices that are not ours get the value that `all`
 *   had for them, so that nothing changes there.
 * - `accept_local` 1: a rewritten packet's source may be the node's own.
 * - IPv6 `forwarding` of each device: bpf_fib_lookup asks for it. The kernel's
 *   own forwarding asks for the device's `force_forwarding` (Linux 6.17), or,
 *   where there is none, for that of `all`, which makes every device forward.
 * - `accept_ra` 2 where it is 1, first and on every device: a device that
 *   forwards takes no routes from router advertisements otherwise, and the
 *   first one that does makes the kernel forget those of the others.
 * - `ip_local_reserved_ports`: SNAT ports on the node's own address must not
 *   be given to its own sockets.
 */
import { formatPortList, mergePortLists, type PortRange, parsePortList } from './port-list.ts';

export interface SysctlWish {
  readonly path: string;
  readonly value: string;
  /** The device it belongs to, when it does. */
  readonly device?: string;
}

export interface SysctlNeeds {
  /** Devices that programs are attached to, and VLAN devices that packets come in by behind them. */
  readonly devices: readonly string[];
  /** Every other device of the namespace. */
  readonly otherDevices: readonly string[];
  /** Ports that SNAT uses on the node's own addresses. */
  readonly ownPorts: readonly PortRange[];
  /** There are IPv6 VIPs. */
  readonly ipv6: boolean;
}

const conf = (device: string, key: string): string =>
  // The kernel writes a dot in a device's name as it is in the path; only a slash would be special.
  `net/ipv4/conf/${device}/${key}`;

const conf6 = (device: string, key: string): string => `net/ipv6/conf/${device}/${key}`;

export const RESERVED_PORTS = 'net/ipv4/ip_local_reserved_ports';

/** In the order in which they are to be written: other devices keep their filter before `all` loses it. */
export function planSysctls(needs: SysctlNeeds, read: (path: string) => string | undefined): SysctlWish[] {
  const wishes: SysctlWish[] = [];
  const all = Number(read(conf('all', 'rp_filter')) ?? '0');
  if (all > 0) {
    for (const device of ['default', ...needs.otherDevices]) {
      const path = conf(device, 'rp_filter');
      const value = read(path);
      if (value !== undefined && Number(value) < all) {
        wishes.push({ path, value: String(all), ...(device === 'default' ? {} : { device }) });
      }
    }
  }
  for (const device of needs.devices) {
    wishes.push(
      { path: conf(device, 'forwarding'), value: '1', device },
      { path: conf(device, 'rp_filter'), value: '0', device },
      { path: conf(device, 'accept_local'), value: '1', device },
    );
  }
  if (needs.devices.length > 0) wishes.push({ path: conf('all', 'rp_filter'), value: '0' });
  if (needs.ipv6 && needs.devices.length > 0) wishes.push(...ipv6Wishes(needs, read));
  if (needs.ownPorts.length > 0) {
    const reserved = parsePortList(read(RESERVED_PORTS) ?? '');
    wishes.push({ path: RESERVED_PORTS, value: formatPortList(mergePortLists(reserved, needs.ownPorts)) });
  }
  return wishes;
}

function ipv6Wishes(needs: SysctlNeeds, read: (path: string) => string | undefined): SysctlWish[] {
  const wishes: SysctlWish[] = [];
  for (const device of [...needs.otherDevices, ...needs.devices]) {
    const path = conf6(device, 'accept_ra');
    if (read(path) === '1') wishes.push({ path, value: '2', device });
  }
  const hasOwnSwitch = needs.devices.every((device) => read(conf6(device, 'force_forwarding')) !== undefined);
  if (!hasOwnSwitch) wishes.push({ path: conf6('all', 'forwarding'), value: '1' });
  for (const device of needs.devices) {
    wishes.push({ path: conf6(device, 'forwarding'), value: '1', device });
    if (hasOwnSwitch) wishes.push({ path: conf6(device, 'force_forwarding'), value: '1', device });
  }
  return wishes;
}
