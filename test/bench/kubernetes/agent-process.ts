/** The agent as a process of its own, and what the kernel knows of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LAYOUT } from '../namespace.ts';
import { VIP_RANGE } from './cluster.ts';

const AGENT = fileURLToPath(new URL('../../../dist/agent/lb-agent.js', import.meta.url));
const PROBE = new URL('./stall-probe.mjs', import.meta.url).href;
/** Of the mount namespace, see namespace.ts. */
export const PINS = '/sys/fs/bpf/scale';

export interface MemoryMiB {
  readonly rss: number;
  /** Of it, what is the process's own; the rest are maps of the dataplane, and program files. */
  readonly own: number;
}

export function writeAgentConfig(directory: string, kubeconfig: string, services: number, backends: number) {
  const text = `node: lb1
runtimeDirectory: ${directory}
bpfDirectory: ${PINS}
vips: { ranges: [${VIP_RANGE}], device: { name: lb-vip0, kind: ifb } }
devices: [{ name: ${LAYOUT.device}, attach: xdp }]
snat: { addresses: [10.2.0.16/32] }
source: { kind: kubernetes, kubeconfig: ${kubeconfig} }
limits: { services: ${services + 1_000}, backends: ${backends}, slots: ${2 ** 26}, nextHops: 65536 }
`;
  const file = join(directory, 'lb-agent.yaml');
  writeFileSync(file, text);
  return file;
}

export class AgentProcess {
  readonly startedAt = Date.now();
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #stalls: string;
  readonly #log: string;
  #peak: MemoryMiB = { rss: 0, own: 0 };
  readonly #sampler: NodeJS.Timeout;

  constructor(directory: string, config: string, options: readonly string[] = []) {
    this.#directory = directory;
    this.#stalls = join(directory, `stalls-${Date.now()}`);
    this.#log = join(directory, 'agent.log');
    const log = openSync(this.#log, 'a');
    const args = [...options, '--import', PROBE, AGENT, 'run', '--config', config];
    this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, L4LB_STALL_FILE: this.#stalls },
    });
    this.#sampler = setInterval(() => this.#sample(), 50);
  }

  get peak(): MemoryMiB {
    return this.#peak;
  }

  get memory(): MemoryMiB {
    const text = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const mib = (name: string): number =>
      Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
    return { rss: mib('VmRSS'), own: mib('RssAnon') };
  }

  /** Seconds that processors have spent on it. */
  get processorSeconds(): number {
    const text = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // Of sysconf(_SC_CLK_TCK), which is 100 wherever Linux runs.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** The longest stall of the event loop between two moments, and when it was; milliseconds. */
  longestStall(from: number, to: number): { readonly ms: number; readonly at: number } {
    const lines = existsSync(this.#stalls) ? readFileSync(this.#stalls, 'utf8').trim().split('\n') : [];
    let longest = { ms: 0, at: from };
    for (const line of lines) {
      const [at = 0, ms = 0] = line.split(' ').map(Number);
      if (at >= from && at <= to && ms > longest.ms) longest = { ms, at };
    }
    return longest;
  }

  /** Asks the agent's API for it and reads the answer to its end; milliseconds, or undefined while nobody listens. */
  async ask(path: string): Promise<number | undefined> {
    const from = performance.now();
    const isAnswered = await new Promise<boolean>((resolve, reject) => {
      const socketPath = join(this.#directory, 'agent.sock');
      get({ socketPath, path, agent: false }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`GET ${path}: ${response.statusCode}`));
        response.resume().once('end', () => resolve(true));
        response.once('error', reject);
      }).on('error', () => resolve(false));
    });
    return isAnswered ? performance.now() - from : undefined;
  }

  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `the agent ended (${exitCode ?? signalCode}):\n${readFileSync(this.#log, 'utf8').slice(-4000)}`;
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampler);
    if (this.ended !== undefined) return;
    await new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.kill('SIGTERM');
    });
  }

  #sample(): void {
    if (this.ended !== undefined) return;
    const { rss, own } = this.memory;
    this.#peak = { rss: Math.max(rss, this.#peak.rss), own: Math.max(own, this.#peak.own) };
  }
}
