/** A load balancer's network namespace with one device, its peer, and an agent in it, for the agent's tests. */
import {
  type ChildProcess,
  type ChildProcessByStdio,
  execFileSync,
  spawn,
  spawnSync,
} from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { StatusView } from '../../src/api/types.ts';

/** Runs that overlap do not meet, and leftovers tell whose they are. */
const PREFIX = 'l4lb-agent-';
const NAME = `${PREFIX}${process.pid}`;
const PEER = `${NAME}-peer`;
/** Another build may be named, to test while the tree is being built. */
const AGENT =
  process.env.L4LB_AGENT ?? fileURLToPath(new URL('../../dist/agent/lb-agent.js', import.meta.url));

export const directory = `/tmp/${NAME}`;
export const runtime = join(directory, 'run');
export const bpf = join(directory, 'bpf');
export const manifests = join(directory, 'manifests');
export const configFile = join(directory, 'lb-agent.yaml');

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The namespace as nsenter names it. */
export const namespace = `/run/netns/${NAME}`;

/** Runs in the agent's namespace; throws with what the program said. */
export function inside(...command: string[]): string {
  return execFileSync('nsenter', [`--net=${namespace}`, ...command], {
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** A process with connections to this port of the loopback address that begin a request and never end it. */
export async function holdConnections(port: number, count: number): Promise<ChildProcess> {
  const script = `
    const hold = (left) => {
      if (left === 0) return console.log('held');
      const socket = require('node:net').connect(${port}, '127.0.0.1', () => {
        socket.write('GET /metrics HTTP/1.1\\r\\n');
        hold(left - 1);
      });
      socket.on('error', () => undefined);
    };
    hold(${count});
    setInterval(() => undefined, 1e6);`;
  const holder = spawn('nsenter', [`--net=${namespace}`, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve).once('close', resolve));
  return holder;
}

/** Ends the agent that a run has left, if the lock file's process is one. */
function endLeftOverAgent(place: string): void {
  try {
    const pid = Number(readFileSync(join(place, 'run', 'agent.lock'), 'utf8'));
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (pid > 0 && commandLine.includes(`${place}/`)) process.kill(pid, 'SIGKILL');
  } catch {}
}

function remove(name: string): void {
  const place = join('/tmp', name);
  endLeftOverAgent(place);
  for (const each of [name, `${name}-peer`]) {
    spawnSync('ip', ['netns', 'del', each], { stdio: 'ignore' });
  }
  spawnSync('umount', [join(place, 'bpf')], { stdio: 'ignore' });
  rmSync(place, { recursive: true, force: true });
}

/** Takes away what this run made. */
export function tearDown(): void {
  remove(NAME);
}

/** Takes away what runs have left that were killed. */
function sweep(): void {
  const names = [...readdirSync('/tmp'), ...(existsSync('/run/netns') ? readdirSync('/run/netns') : [])];
  for (const name of names) {
    const pid = /^l4lb-agent-(\d+)(?:-peer)?$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) remove(`${PREFIX}${pid}`);
  }
}

/** Makes the veth pair; again after the device was deleted. */
export function plugDevice(): void {
  const ip = (...args: string[]): void => void execFileSync('ip', args);
  ip('-n', NAME, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', PEER);
  ip('-n', NAME, 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
  ip('-n', PEER, 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
  ip('-n', PEER, 'link', 'set', 'eth0', 'up');
  ip('-n', NAME, 'link', 'set', 'eth0', 'up');
}

export function setUp(): void {
  sweep();
  tearDown();
  for (const path of [runtime, manifests]) mkdirSync(path, { recursive: true });
  for (const name of [NAME, PEER]) {
    execFileSync('ip', ['netns', 'add', name]);
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  plugDevice();
  // A host as many are: strict everywhere, by the value of `all`.
  inside('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
  writeConfig();
  writeService('web', '10.1.0.2', ['192.0.2.2', '10.9.0.7']);
}

/** Replaces whole lines of the usual configuration, by their key; undefined leaves one out. */
export function writeConfig(changes: Readonly<Record<string, string | undefined>> = {}): void {
  const lines: Record<string, string | undefined> = {
    node: 'lb1',
    runtimeDirectory: runtime,
    bpfDirectory: bpf,
    vips: '{ ranges: [10.1.0.0/24], device: { name: lb-vip0, kind: ifb } }',
    devices: '[{ name: eth0, attach: xdp }]',
    snat: '{ addresses: [10.2.0.16/32], ports: 20000-30000, sharedFlows: 256 }',
    source: `{ manifests: ${manifests}, secondLook: 0s }`,
    limits: '{ services: 100, backends: 400, slots: 131072, nextHops: 256 }',
    ...changes,
  };
  const text = Object.entries(lines).map(([key, value]) => (value === undefined ? '' : `${key}: ${value}\n`));
  writeFileSync(configFile, text.join(''));
}

export function writeService(name: string, vip: string, backends: readonly string[]): void {
  const text = `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec:
  ports: [{ name: http, port: 80, protocol: TCP, targetPort: 8080 }]
  externalIPs: [${vip}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints:
${backends.map((address) => `  - { addresses: [${address}], conditions: { ready: true } }`).join('\n')}
`;
  writeFileSync(join(manifests, `${name}.yaml`), text);
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

export interface RunningAgent {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  output(): string;
}

/** Starts `lb-agent ARGS` in the namespace. */
export function startAgent(...args: string[]): RunningAgent {
  const start = (program: readonly string[]): PipedChild =>
    spawn('nsenter', [`--net=${namespace}`, ...program], { stdio: ['ignore', 'pipe', 'pipe'] });
  return startAgentBy(start, ...args);
}

type PipedChild = ChildProcessByStdio<null, Readable, Readable>;

/** The same with something else around it; the process that is started must become the agent. */
export function startAgentBy(
  start: (program: readonly string[]) => PipedChild,
  ...args: string[]
): RunningAgent {
  const child = start([process.execPath, AGENT, ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
  return { child, ended, output: () => output };
}

export const run = (): RunningAgent => startAgent('run', '--config', configFile);
export const cleanup = (...more: string[]): Promise<Ended> =>
  startAgent('cleanup', '--config', configFile, ...more).ended;

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export function api(method: string, path: string): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const socketPath = join(runtime, 'agent.sock');
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const json = response.headers['content-type'] === 'application/json';
        resolve({ status: response.statusCode ?? 0, body: json ? JSON.parse(text) : text });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

export const status = async (): Promise<StatusView> => (await api('GET', '/v1/status')).body as StatusView;

/** Waits until the condition holds, or throws with what it last gave. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  holds: (value: T) => boolean,
): Promise<T> {
  let last: unknown;
  for (let tries = 0; tries < 600; tries++) {
    try {
      const value = await probe();
      if (holds(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(100);
  }
  throw new Error(
    `waited in vain for ${what}; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`,
  );
}

/** Waits until the agent says so in its status; an agent that ends instead is an error with its output. */
export async function untilStatus(
  agent: RunningAgent,
  what: string,
  holds: (view: StatusView) => boolean,
): Promise<StatusView> {
  const died = agent.ended.then(({ code, output }) => {
    throw new Error(`the agent ended with ${code} while waiting for ${what}:\n${output}`);
  });
  died.catch(() => undefined);
  return Promise.race([until(what, status, holds), died]);
}

export const untilServing = (agent: RunningAgent): Promise<StatusView> =>
  untilStatus(agent, 'serving', (view) => view.vip.up && view.vip.announce === 'yes');

/** Ends it and waits. */
export async function end(agent: RunningAgent, signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
  const pid = agentPid(agent);
  if (pid !== undefined) process.kill(pid, signal);
  return agent.ended;
}

/** nsenter without a fork becomes the agent, so it is the child itself. */
function agentPid({ child }: RunningAgent): number | undefined {
  return child.exitCode === null && child.signalCode === null ? child.pid : undefined;
}

/** Every readable setting below net/ipv4 of the namespace. */
export function dumpSysctls(): string {
  const script =
    'cd /proc/sys/net/ipv4 && find . -type f | sort | while read -r f; do echo "$f = $(cat "$f" 2>/dev/null | tr "\\n\\t" "  ")"; done';
  // Counters of the kernel itself, and what of it differs for each read.
  return inside('sh', '-c', script).replace(/^\.\/.*(fib_multipath_hash_seed|tcp_fastopen_key).*$/gm, '');
}

export const vipIsUp = (): boolean => {
  const text = inside('ip', '-j', 'link', 'show');
  const links = JSON.parse(text) as Array<{ ifname: string; flags: string[] }>;
  return links.find(({ ifname }) => ifname === 'lb-vip0')?.flags.includes('UP') === true;
};

/** Program id on the device, undefined when there is none. */
export function xdpProgram(): number | undefined {
  const [link] = JSON.parse(inside('ip', '-j', 'link', 'show', 'dev', 'eth0')) as Array<{
    xdp?: { prog: { id: number } };
  }>;
  return link?.xdp?.prog.id;
}

/** Identities of what is pinned: they change when it is made anew. */
export function pinnedIds(): { link: number; maps: Record<string, number> } {
  const show = (kind: string, path: string): number =>
    (
      JSON.parse(execFileSync('bpftool', ['-j', kind, 'show', 'pinned', path], { encoding: 'utf8' })) as {
        id: number;
      }
    ).id;
  const names = execFileSync('ls', [join(bpf, 'maps')], { encoding: 'utf8' })
    .trim()
    .split('\n');
  return {
    link: show('link', join(bpf, 'links', 'eth0')),
    maps: Object.fromEntries(names.map((name) => [name, show('map', join(bpf, 'maps', name))])),
  };
}

/** Pins that are left. */
export function pinsLeft(): string[] {
  return ['links', 'maps'].filter((name) => existsSync(join(bpf, name)));
}
