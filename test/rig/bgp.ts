/** BGP speakers of a rig, and what the router has learnt from them. */
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { birdConfig, type LbBgp } from './bird-config.ts';
import { run } from './command.ts';
import { frrLbConfig, frrRouterConfig } from './frr-config.ts';
import type { ManagedProcess } from './managed-process.ts';
import { ROUTER } from './one-armed.ts';
import { frrDirectories, makeOwnedDirectory, type Rig } from './rig.ts';
import { addressedDevice, type Link, nodeOf, type Topology } from './topology.ts';
import { type WaitOptions, waitFor } from './wait.ts';

/** Name that the agents of a rig give to their VIP device. */
export const VIP_DEVICE = 'lb-vip0';

/** All SNAT pools of a rig lie in it. */
export const SNAT_RANGE = '10.50.0.0/16';

/** What an LB node's BGP speaker has to know, from the declaration. */
export function lbBgp(topology: Topology, name: string): LbBgp {
  const node = nodeOf(topology, name);
  const { link, own, other } = routerLink(topology, name);
  const router = nodeOf(topology, other.node);
  if (node.asn === undefined || node.snatPool === undefined || router.asn === undefined) {
    throw new Error(`${name} is no LB node with a router that speaks BGP`);
  }
  return {
    routerId: bare(own.address),
    asn: node.asn,
    uplink: addressedDevice(link, own),
    vipRange: topology.vipRange,
    vipDevice: VIP_DEVICE,
    snatPool: node.snatPool,
    peer: { address: bare(other.address), asn: router.asn },
  };
}

/** The router's frr.conf for this topology. */
export function routerConfig(topology: Topology): string {
  const router = nodeOf(topology, ROUTER);
  const lbs = topology.nodes.filter((node) => node.role === 'lb').map((node) => lbBgp(topology, node.name));
  return frrRouterConfig({
    hostname: router.name,
    routerId: lbs[0]?.peer.address ?? '10.0.0.1',
    asn: router.asn ?? 0,
    peers: lbs.map((lb) => ({ address: lb.routerId, asn: lb.asn })),
    vipRange: topology.vipRange,
    snatRange: SNAT_RANGE,
  });
}

/** BIRD on an LB node; `birdc(rig, node, ...)` talks to it. */
export async function startBird(rig: Rig, node: string): Promise<ManagedProcess> {
  const config = rig.path(node, 'bird.conf');
  writeFileSync(config, birdConfig(lbBgp(rig.topology, node)));
  const files = ['-c', config, '-s', rig.path(node, 'bird.ctl'), '-P', rig.path(node, 'bird.pid')];
  const bird = rig.spawn(node, ['bird', '-f', ...files], { name: 'bird' });
  await waitFor(
    `BIRD on ${node} answers`,
    async () => (await birdc(rig, node, 'show status')).includes('Daemon is up'),
    {
      evidence: async () => bird.output(),
    },
  );
  return bird;
}

/** What BIRD on that node answers. */
export async function birdc(rig: Rig, node: string, ...command: string[]): Promise<string> {
  return (await run(['birdc', '-s', rig.path(node, 'bird.ctl'), ...command])).stdout;
}

/** FRR on the router, or on an LB node instead of BIRD. */
export async function startFrr(rig: Rig, node: string): Promise<ManagedProcess[]> {
  const space = rig.namespace(node);
  const { uid, gid } = await frrUser();
  const [etc = '', state = ''] = frrDirectories(space);
  for (const directory of [etc, state]) makeOwnedDirectory(directory, uid, gid);
  const role = nodeOf(rig.topology, node).role;
  const config = role === 'lb' ? frrLbConfig(lbBgp(rig.topology, node), node) : routerConfig(rig.topology);
  for (const [name, text] of [
    ['frr.conf', config],
    ['vtysh.conf', ''],
  ] as const) {
    writeFileSync(join(etc, name), text);
    chmodSync(join(etc, name), 0o640);
    chownSync(join(etc, name), uid, gid);
  }
  const daemons: ManagedProcess[] = [];
  for (const [name, ready] of [
    ['zebra', 'show zebra'],
    ['bgpd', 'show bgp summary'],
    ['bfdd', 'show bfd peers'],
  ] as const) {
    const flags = ['-N', space, '--log', 'stdout', '-A', '127.0.0.1'];
    const daemon = rig.spawn(node, [`/usr/lib/frr/${name}`, ...flags], { name });
    daemons.push(daemon);
    await waitFor(`${name} on ${node} answers`, async () => (await vtysh(rig, node, ready)) !== undefined, {
      evidence: async () => daemon.output(),
    });
  }
  await rig.exec(node, ['vtysh', '-N', space, '-b']);
  return daemons;
}

/** What FRR on that node answers; throws when a daemon that is asked does not run. */
export async function vtysh(rig: Rig, node: string, command: string): Promise<string> {
  return (await rig.exec(node, ['vtysh', '-N', rig.namespace(node), '-c', command])).stdout;
}

/** Neighbours of the router with an established session. */
export async function establishedPeers(rig: Rig): Promise<string[]> {
  const text = await vtysh(rig, ROUTER, 'show bgp ipv4 unicast summary json');
  const { peers = {} } = JSON.parse(text) as { peers?: Record<string, { state: string }> };
  return Object.keys(peers).filter((peer) => peers[peer]?.state === 'Established');
}

interface KernelRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly protocol: string;
  readonly nexthops?: ReadonlyArray<{ readonly gateway: string }>;
}

/** Gateways that the node's kernel has for exactly this prefix, sorted; empty when there is no route. */
export async function gatewaysFor(rig: Rig, node: string, prefix: string): Promise<string[]> {
  const { stdout } = await rig.exec(node, ['ip', '-j', 'route', 'show', 'exact', prefix]);
  const routes = JSON.parse(stdout === '' ? '[]' : stdout) as KernelRoute[];
  return routes
    .flatMap((route) => route.nexthops?.map((hop) => hop.gateway) ?? [route.gateway ?? 'device'])
    .sort();
}

/** Waits until the router forwards the prefix to exactly these LB nodes; none means no route at all. */
export async function waitForRoute(
  rig: Rig,
  prefix: string,
  lbs: readonly string[],
  options: WaitOptions = {},
): Promise<void> {
  const wanted = lbs.map((lb) => lbBgp(rig.topology, lb).routerId).sort();
  const what =
    wanted.length === 0 ? `no route to ${prefix}` : `route to ${prefix} via ${wanted.join(' and ')}`;
  await waitFor(
    `${what} on ${ROUTER}`,
    async () => (await gatewaysFor(rig, ROUTER, prefix)).join() === wanted.join(),
    {
      evidence: async () =>
        [
          (await rig.exec(ROUTER, ['ip', 'route'])).stdout,
          await vtysh(rig, ROUTER, 'show bgp ipv4 unicast'),
          await vtysh(rig, ROUTER, 'show bgp summary'),
          await vtysh(rig, ROUTER, 'show bfd peers brief'),
        ].join('\n'),
      ...options,
    },
  );
}

function routerLink(topology: Topology, node: string) {
  for (const link of topology.links) {
    const at = link.ends.findIndex((end) => end.node === node);
    if (at >= 0) return sides(link, at === 0 ? 0 : 1);
  }
  throw new Error(`${node} has no link`);
}

function sides(link: Link, at: 0 | 1) {
  return { link, own: link.ends[at], other: link.ends[at === 0 ? 1 : 0] };
}

function bare(cidr: string): string {
  return cidr.split('/')[0] ?? cidr;
}

async function frrUser(): Promise<{ uid: number; gid: number }> {
  const { stdout } = await run(['getent', 'passwd', 'frr']);
  const [, , uid, gid] = stdout.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
