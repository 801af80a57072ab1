/**
 * A host that needs no program of ours: it holds VIPs on its loopback device and ends tunnels by the kernel's
 * own devices, set up with the commands of docs/node.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { withPort } from '../../src/net/with-port.ts';
import { writeManifest } from '../rig/manifests.ts';
import { ROUTER, UPLINK } from '../rig/one-armed.ts';
import { PROJECT, type Rig } from '../rig/rig.ts';
import { nginxConfig, POD_PORTS } from '../rig/server-configs.ts';
import { startKnot } from '../rig/servers.ts';
import type { Link, Node } from '../rig/topology.ts';
import { waitFor } from '../rig/wait.ts';

export const BARE_HOST = 'host1';
const HOST = { 4: '10.30.9.2', 6: '2001:db8:30:9::2' } as const;
const GATEWAY = { 4: '10.30.9.1', 6: '2001:db8:30:9::1' } as const;
/** What its servers answer with. */
export const BARE_NAME = 'bare';

/** A service on the host: how packets get there, and a VIP of each family. */
export interface BareService {
  readonly name: string;
  readonly mode: 'ipip' | 'gue';
  /** Family of the host's address that the slice has, and so of the outer header. */
  readonly outer: 4 | 6;
  readonly vips: readonly [v4: string, v6: string];
}

export const BARE_SERVICES: readonly BareService[] = (['ipip', 'gue'] as const).flatMap((mode, at) =>
  ([4, 6] as const).map((outer, n): BareService => {
    const number = 21 + 2 * at + n;
    const vips = [`10.1.0.${number}`, `2001:db8:1::${number}`] as const;
    return { name: `${mode}-over-ipv${outer}`, mode, outer, vips };
  }),
);
const VIPS = BARE_SERVICES.flatMap(({ vips }) => vips);

export const bareHostNode: Node = {
  name: BARE_HOST,
  role: 'worker',
  loopback: [],
  routes: [{ to: 'default', via: GATEWAY[4] }],
  // As strict as a distribution may have it: the commands have to see to it.
  sysctls: { 'net.ipv4.conf.all.rp_filter': '1', 'net.ipv4.conf.default.rp_filter': '1' },
  pods: [],
};

export const bareHostLink = (mtu: number): Link => ({
  ends: [
    { node: BARE_HOST, device: UPLINK, address: `${HOST[4]}/24`, xdp: false },
    { node: ROUTER, device: BARE_HOST, address: `${GATEWAY[4]}/24`, xdp: false },
  ],
  mtu,
  queues: 2,
});

/** The shell commands of docs/node.md that set such a host up, for $HOST4, $HOST6 and $VIPS. */
export function bareHostCommands(): string {
  const page = readFileSync(join(PROJECT, 'docs', 'node.md'), 'utf8');
  const [, commands] = /^## A bare host\n.*?^```sh\n(.*?)^```$/ms.exec(page) ?? [];
  if (commands === undefined) throw new Error('docs/node.md has no commands under "A bare host"');
  return commands;
}

/** Sets it up and starts its servers; its services are in the manifests then. */
export async function startBareHost(rig: Rig): Promise<void> {
  const add = ['ip', '-6', 'address', 'add'];
  await rig.exec(BARE_HOST, [...add, `${HOST[6]}/64`, 'dev', UPLINK, 'nodad']);
  await rig.exec(ROUTER, [...add, `${GATEWAY[6]}/64`, 'dev', BARE_HOST, 'nodad']);
  await rig.exec(BARE_HOST, ['ip', '-6', 'route', 'add', 'default', 'via', GATEWAY[6]]);
  const given = `HOST4=${HOST[4]} HOST6=${HOST[6]} VIPS='${VIPS.join(' ')}'\n`;
  await rig.exec(BARE_HOST, ['sh', '-eu', '-c', given + bareHostCommands()], { timeout: 20_000 });
  await startServers(rig);
  writeManifest(rig, BARE_NAME, BARE_SERVICES.map(manifestOf).join('---\n'));
}

async function startServers(rig: Rig): Promise<void> {
  const directory = rig.path(BARE_HOST, 'nginx');
  const files = join(directory, 'html', 'files');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'megabyte'), Buffer.alloc(1 << 20, 'l4lb'));
  const pods = VIPS.map((address) => ({ name: BARE_NAME, address, app: 'web' as const }));
  const config = join(directory, 'nginx.conf');
  writeFileSync(config, nginxConfig(directory, pods));
  const nginx = rig.spawn(BARE_HOST, ['nginx', '-e', 'stderr', '-p', directory, '-c', config], {
    name: 'nginx',
  });
  const url = `http://${withPort(VIPS[0] ?? '', POD_PORTS.web)}/`;
  await waitFor(
    'nginx of the bare host answers',
    async () => (await rig.exec(BARE_HOST, ['curl', '-s', '-m', '2', url])).stdout.trim() === BARE_NAME,
    { evidence: async () => nginx.output() },
  );
  await startKnot(rig, BARE_HOST, BARE_NAME, VIPS);
}

/** DSR does not translate: the ports of the service are those that the servers listen on. */
function manifestOf({ name, mode, outer, vips }: BareService): string {
  const ports = [
    { name: 'http', protocol: 'TCP', port: POD_PORTS.web },
    { name: 'dns', protocol: 'UDP', port: POD_PORTS.dns },
  ];
  const labels = { 'kubernetes.io/service-name': name };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'demo', annotations: { 'l4lb.io/mode': mode } },
    spec: { externalIPs: vips, ports },
  };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'demo', labels },
    addressType: `IPv${outer}`,
    ports,
    endpoints: [{ addresses: [HOST[outer]] }],
  };
  return [service, slice].map((each) => stringify(each)).join('---\n');
}
