/** What clients do with a path, each as a function that says what came of it. */
import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import type { Rig } from '../rig.ts';
import { ZONE } from '../server-configs.ts';
import { LARGE_FILE, program } from '../servers.ts';
import type { TrafficPath } from './paths.ts';
import type { CLIENT_ADDRESS } from './topology.ts';

export type Client = keyof typeof CLIENT_ADDRESS;

/** Milliseconds. */
const TIMEOUT = 30_000;

function url(path: TrafficPath, file: string): string {
  const host = path.family === 6 ? `[${path.vip}]` : path.vip;
  return `http://${host}:${path.ports.web}${file}`;
}

async function curl(rig: Rig, client: Client, ...options: string[]): Promise<string> {
  const command = ['curl', '-sS', '-m', '20', ...options];
  return (await rig.exec(client, command, { timeout: TIMEOUT })).stdout.trim();
}

/** The client as the server sees it, without its port. */
export async function clientSeen(rig: Rig, client: Client, path: TrafficPath): Promise<string> {
  return (await curl(rig, client, url(path, '/from'))).replace(/:\d+$/, '');
}

export const LARGE_FILE_HASH = createHash('sha256').update(LARGE_FILE).digest('hex');

/** Hashes of what was downloaded: once on a new connection, twice on another one. */
export async function download(rig: Rig, client: Client, path: TrafficPath): Promise<string[]> {
  const file = (name: string) => rig.path(client, `${path.name}-${name}`);
  const large = url(path, '/files/large');
  await curl(rig, client, '-o', file('new'), large);
  const connects = await curl(
    rig,
    client,
    '-w',
    '%{num_connects}',
    '-o',
    file('1'),
    large,
    '-o',
    file('2'),
    large,
  );
  if (connects !== '10') throw new Error(`the second download made ${connects} connections, not 10`);
  const { stdout } = await rig.exec(client, ['sha256sum', ...['new', '1', '2'].map(file)]);
  await rig.exec(client, ['rm', ...['new', '1', '2'].map(file)]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
}

/** The server's name and the bytes it took, of two requests on one connection. */
export async function upload(rig: Rig, client: Client, path: TrafficPath): Promise<string[]> {
  const file = rig.path(client, 'upload');
  if (!existsSync(file)) writeFileSync(file, LARGE_FILE);
  const request = [
    '--data-binary',
    `@${file}`,
    '-H',
    'Expect:',
    '-w',
    '%{size_upload}\n',
    url(path, '/upload'),
  ];
  return (await curl(rig, client, ...request, '--next', '-sS', '-m', '20', ...request)).split('\n');
}

export async function askDns(
  rig: Rig,
  client: Client,
  path: TrafficPath,
  transport: string,
): Promise<string> {
  const dig = ['dig', '+short', '+tries=1', '+time=3', transport, '-p', `${path.ports.dns}`];
  const { stdout } = await rig.exec(client, [...dig, `@${path.vip}`, `pod.${ZONE}`, 'TXT']);
  return stdout.trim();
}

export interface IperfResult {
  /** That arrived before the sender said it was done. */
  readonly bytes: number;
  /** Segments. */
  readonly retransmits: number;
}

/** Slow enough for the queues of a veth, which lose what comes in larger bursts. reverse: the server sends. */
export async function iperf(
  rig: Rig,
  client: Client,
  path: TrafficPath,
  reverse: boolean,
): Promise<IperfResult> {
  const command = ['iperf3', '-c', path.vip, '-n', '12M', '-b', '500M', '-J', '--connect-timeout', '3000'];
  const { stdout } = await rig.exec(client, [...command, ...(reverse ? ['-R'] : [])], { timeout: TIMEOUT });
  const { end } = JSON.parse(stdout) as {
    end: { sum_received: { bytes: number }; sum_sent: { retransmits: number } };
  };
  return { bytes: end.sum_received.bytes, retransmits: end.sum_sent.retransmits };
}

/** How often each datagram had to be sent until it came back whole. */
export async function exchangeUdp(
  rig: Rig,
  client: Client,
  path: TrafficPath,
  sizes: readonly number[],
): Promise<number[]> {
  const args = [path.vip, `${path.ports.echo}`, ...sizes.map(String)];
  const { stdout } = await rig.exec(client, program('test/rig/load/udp-exchange.ts', ...args), {
    timeout: TIMEOUT,
  });
  return JSON.parse(stdout) as number[];
}

/** Answers to three echo requests of that many bytes. */
export async function ping(rig: Rig, client: Client, path: TrafficPath, size: number): Promise<number> {
  const command = ['ping', '-c', '3', '-i', '0.1', '-W', '2', '-s', `${size}`, path.vip];
  const { stdout } = await rig.exec(client, command, { mayFail: true });
  return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
}

export const TRACE_METHODS = {
  UDP: () => ['-U', '-p', '33434'],
  ICMP: () => ['-I'],
  TCP: (path: TrafficPath) => ['-T', '-p', `${path.ports.web}`],
};

/** The hops on the way, `*` for one that says nothing. */
export async function trace(
  rig: Rig,
  client: Client,
  path: TrafficPath,
  method: keyof typeof TRACE_METHODS,
): Promise<string[]> {
  const command = ['traceroute', `-${path.family}`, '-n', '-q', '1', '-w', '1', '-m', '6', '-N', '1'];
  const { stdout } = await rig.exec(client, [...command, ...TRACE_METHODS[method](path), path.vip], {
    timeout: TIMEOUT,
  });
  return stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/)[1] ?? '');
}
