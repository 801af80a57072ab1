/** Starts the servers behind the VIPs on a worker, and waits until they answer. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPort } from '../../src/net/with-port.ts';
import type { ManagedProcess } from './managed-process.ts';
import { VIP } from './one-armed.ts';
import { PROJECT, type Rig } from './rig.ts';
import { knotConfig, nginxConfig, POD_PORTS, ZONE, zoneFile } from './server-configs.ts';
import { nodeOf, type Pod } from './topology.ts';
import { waitFor } from './wait.ts';

/** Node running one of the rig's own programs from its TypeScript source. */
export function program(name: string, ...args: string[]): string[] {
  return [
    process.execPath,
    '--import',
    join(PROJECT, 'node_modules/tsx/dist/loader.mjs'),
    join(PROJECT, name),
    ...args,
  ];
}

/** `/files/large`: no two stretches of it are alike, so that a missing or doubled one shows. */
export const LARGE_FILE = Buffer.from(
  Uint32Array.from({ length: 1 << 20 }, (_, at) => at * 2654435761).buffer,
);

/** One nginx for the worker's web pods. */
export async function startNginx(rig: Rig, worker: string): Promise<ManagedProcess> {
  const directory = rig.path(worker, 'nginx');
  mkdirSync(join(directory, 'html', 'files'), { recursive: true });
  writeFileSync(join(directory, 'html', 'files', 'megabyte'), Buffer.alloc(1 << 20, 'l4lb'));
  writeFileSync(join(directory, 'html', 'files', 'large'), LARGE_FILE);
  const pods = podsOn(rig, worker, 'web');
  writeFileSync(join(directory, 'nginx.conf'), nginxConfig(directory, pods));
  const files = ['-p', directory, '-c', join(directory, 'nginx.conf')];
  const nginx = rig.spawn(worker, ['nginx', '-e', 'stderr', ...files], { name: 'nginx' });
  for (const pod of pods) {
    const url = `http://${withPort(pod.address, POD_PORTS.web)}/`;
    await waitFor(
      `${pod.name} answers`,
      async () => (await rig.exec(worker, ['curl', '-s', '-m', '2', url])).stdout.trim() === pod.name,
      { evidence: async () => nginx.output() },
    );
  }
  return nginx;
}

/** A Knot DNS server for each DNS pod of the worker. */
export async function startDns(rig: Rig, worker: string): Promise<ManagedProcess[]> {
  return Promise.all(
    podsOn(rig, worker, 'dns').map(({ name, address }) => startKnot(rig, worker, name, [address])),
  );
}

/** A Knot DNS server of that name on these addresses of the node. */
export async function startKnot(
  rig: Rig,
  worker: string,
  name: string,
  addresses: readonly string[],
): Promise<ManagedProcess> {
  const directory = rig.path(worker, `dns-${name}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'knot.conf'), knotConfig(directory, name, addresses));
  writeFileSync(join(directory, 'zone'), zoneFile(name, VIP));
  const knot = rig.spawn(worker, ['knotd', '-c', join(directory, 'knot.conf')], { name: `knotd-${name}` });
  const query = ['dig', '+short', '+tries=1', '+time=1', '-p', `${POD_PORTS.dns}`, `@${addresses[0]}`];
  await waitFor(
    `${name} answers`,
    async () => (await rig.exec(worker, [...query, `pod.${ZONE}`, 'TXT'])).stdout.trim() === `"${name}"`,
    { evidence: async () => knot.output() },
  );
  return knot;
}

/** An echo server for each echo pod of the worker: says its name, then sends back what it gets. */
export async function startEcho(rig: Rig, worker: string): Promise<ManagedProcess[]> {
  return Promise.all(podsOn(rig, worker, 'echo').map((pod) => startEchoPod(rig, worker, pod)));
}

async function startEchoPod(rig: Rig, worker: string, pod: Pod): Promise<ManagedProcess> {
  const command = program('test/rig/load/echo-server.ts', pod.address, `${POD_PORTS.echo}`, pod.name);
  const echo = rig.spawn(worker, command, { name: `echo-${pod.name}` });
  await waitFor(`${pod.name} listens`, async () => echo.output().includes('listening'), {
    evidence: async () => echo.output(),
  });
  return echo;
}

function podsOn(rig: Rig, worker: string, app: Pod['app']): Pod[] {
  return nodeOf(rig.topology, worker).pods.filter((pod) => pod.app === app);
}
