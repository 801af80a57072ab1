/** DSR to a host that ends tunnels by the kernel's own devices: ipip, sit, ip6tnl, and GUE by fou. */
import assert from 'node:assert/strict';
import { familyOf, parseAddress } from '../../../src/net/address.ts';
import { withPort } from '../../../src/net/with-port.ts';
import { addressPlan } from '../../rig/one-armed.ts';
import { POD_PORTS, ZONE } from '../../rig/server-configs.ts';
import { BARE_HOST, BARE_NAME, BARE_SERVICES, type BareService } from '../bare-host.ts';
import type { Check, Facts } from '../check.ts';
import { MEGABYTE } from '../client.ts';
import { CLIENT6 } from '../ipv6.ts';
import { overLossyPath } from '../netem.ts';
import { CLIENT, leadThrough, routerDevice, type VmBed, WAYS, type Way } from '../vm-bed.ts';

const TRIED = WAYS.filter(({ vlan, attach }) => vlan === undefined && attach !== 'xdp-generic');

/** With every outer family and both modes once; a transfer takes its time. */
const LOSSY = BARE_SERVICES.filter(({ mode, outer }) => (mode === 'ipip') === (outer === 4));

export const bareHostChecks: ReadonlyArray<Check<VmBed>> = TRIED.flatMap((way) => [
  ...BARE_SERVICES.map((service) => ({
    name: `${way.name}: ${service.name}: a bare host serves clients of both families and sees them`,
    run: (bed: VmBed) => served(bed, way, service),
  })),
  ...LOSSY.map((service) => ({
    name: `${way.name}: ${service.name}: a megabyte of a bare host arrives whole over a path that loses and reorders`,
    run: (bed: VmBed) => lossy(bed, way, service),
  })),
]);

const clientOf = (vip: string): string =>
  familyOf(parseAddress(vip) ?? 0) === 4 ? addressPlan.client(1) : CLIENT6;

async function served({ rig }: VmBed, way: Way, { vips }: BareService): Promise<undefined> {
  await leadThrough(rig, way);
  const before = await packetsByTunnel({ rig });
  for (const vip of vips) {
    const url = `http://${withPort(vip, POD_PORTS.web)}/from`;
    const { stdout } = await rig.exec(CLIENT, ['curl', '-sS', '-f', '-m', '100', url], { timeout: 20_000 });
    assert.equal(stdout.trim().replace(/:\d+$/, ''), clientOf(vip));
    const query = ['dig', '+short', '+tries=3', '+time=5', '-p', `${POD_PORTS.dns}`, `@${vip}`];
    const answer = await rig.exec(CLIENT, [...query, `pod.${ZONE}`, 'TXT'], { timeout: 20_000 });
    assert.equal(answer.stdout.trim(), `"${BARE_NAME}"`);
  }
  // A connection is five packets at least, a query one, in each family.
  const came = (await packetsByTunnel({ rig })) - before;
  assert.ok(came >= 12, `only ${came} packets came out of the tunnel devices`);
  return undefined;
}

async function lossy({ rig }: VmBed, way: Way, { vips }: BareService): Promise<Facts> {
  await leadThrough(rig, way);
  const [vip] = vips;
  const url = `http://${withPort(vip, POD_PORTS.web)}/files/megabyte`;
  const facts = await overLossyPath(rig, [routerDevice(way), BARE_HOST, CLIENT], async () => {
    const fetch = ['sh', '-c', `curl -sS -f -m 300 ${url} | sha256sum`];
    const { stdout } = await rig.exec(CLIENT, fetch, { timeout: 30_000 });
    assert.equal(stdout.split(' ')[0], MEGABYTE);
  });
  return facts;
}

/** Packets that the host's tunnel devices have received. */
async function packetsByTunnel({ rig }: Pick<VmBed, 'rig'>): Promise<number> {
  const { stdout } = await rig.exec(BARE_HOST, ['ip', '-s', '-j', 'link', 'show']);
  const links = JSON.parse(stdout) as Array<{
    ifname: string;
    stats64?: { rx: { packets: number } };
  }>;
  const tunnels = links.filter(({ ifname }) => ifname.startsWith('dsr-'));
  assert.equal(tunnels.length, 3, `tunnel devices: ${tunnels.map(({ ifname }) => ifname)}`);
  return tunnels.reduce((sum, { stats64 }) => sum + (stats64?.rx.packets ?? 0), 0);
}
