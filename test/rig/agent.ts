/** lb-agent and lbctl on an LB node of a rig. */
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { ServiceView, StatusView } from '../../src/api/types.ts';
import { agentConfig, agentConfigText, type ConfigTree } from './agent-config.ts';
import type { CommandResult, RunOptions } from './command.ts';
import type { ManagedProcess } from './managed-process.ts';
import { manifestDirectory } from './manifests.ts';
import { patience } from './patience.ts';
import { PROJECT, type Rig } from './rig.ts';
import { vipDeviceKind } from './vip-device.ts';
import { waitFor } from './wait.ts';

/** Any 16 hexadecimal digits do, as long as all nodes have the same. */
const SEED = '6c346c622072696720736565';

/** The tree whose build runs: this one, or another version's. */
const PRODUCT = process.env.L4LB_PRODUCT ?? PROJECT;

const AGENT = join(PRODUCT, 'dist', 'agent', 'lb-agent.js');
const LBCTL = join(PRODUCT, 'dist', 'cli', 'lbctl.js');

/** Milliseconds. The machine may be busy, and loading verifies two programs. */
const START = 60_000;

/** What an agent says when it has applied a complete list. */
const SETTLED = ['serving', 'drained', 'no-services'];

export class Agent {
  constructor(
    readonly rig: Rig,
    readonly lb: string,
    readonly process: ManagedProcess,
    readonly config: string,
  ) {}

  get socket(): string {
    return agentSocket(this.rig, this.lb);
  }

  /** GET of its API; throws when nobody listens or the answer is no 200. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.#ask('GET', path)) as T;
  }

  async post<T>(path: string): Promise<T> {
    const text = await this.#ask('POST', path);
    return (text === '' ? {} : JSON.parse(text)) as T;
  }

  status(): Promise<StatusView> {
    return this.get('/v1/status');
  }

  async services(): Promise<ServiceView[]> {
    return this.get('/v1/services');
  }

  /** Waits until the services it has programmed satisfy `test`. */
  async untilServices(what: string, test: (services: ServiceView[]) => boolean): Promise<ServiceView[]> {
    return waitFor(
      what,
      async () => {
        const services = await this.services();
        return test(services) ? services : undefined;
      },
      { evidence: async () => `${JSON.stringify(await this.services(), null, 2)}\n${this.process.output()}` },
    );
  }

  /** `serving`, or why the node is not ready. */
  async readiness(): Promise<string> {
    return (JSON.parse(await this.#ask('GET', '/readyz', [200, 503])) as { reason: string }).reason;
  }

  #ask(method: string, path: string, fine: readonly number[] = [200]): Promise<string> {
    return new Promise((resolve, reject) => {
      const timeout = patience(10_000);
      const asked = request({ socketPath: this.socket, method, path, timeout }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (fine.includes(response.statusCode ?? 0)) resolve(text);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
        });
      });
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.on('error', reject);
      asked.end();
    });
  }
}

export function agentSocket(rig: Rig, lb: string): string {
  return rig.path(lb, 'agent', 'agent.sock');
}

/** Writes the configuration of a node's agent and returns its path. */
export async function writeAgentConfig(rig: Rig, lb: string, overrides: ConfigTree = {}): Promise<string> {
  const seedFile = join(rig.directory, 'hash-seed');
  if (!existsSync(seedFile)) writeFileSync(seedFile, `${SEED}\n`, { mode: 0o600 });
  const places = {
    runtimeDirectory: rig.path(lb, 'agent'),
    bpfDirectory: rig.bpfDirectory(lb),
    manifests: manifestDirectory(rig),
    seedFile,
    vipDevice: await vipDeviceKind(rig, lb),
  };
  const path = rig.path(lb, 'agent.yaml');
  writeFileSync(path, agentConfigText(agentConfig(rig.topology, lb, places, overrides)));
  return path;
}

/** How lb-agent is run. */
export function agentProgram(): string[] {
  if (!existsSync(AGENT)) throw new Error(`${AGENT} is missing: run make build`);
  return [process.execPath, '--enable-source-maps', AGENT];
}

/** Starts the agent without waiting for anything. */
export async function spawnAgent(rig: Rig, lb: string, overrides: ConfigTree = {}): Promise<Agent> {
  const config = await writeAgentConfig(rig, lb, overrides);
  const command = [...agentProgram(), 'run', '--config', config];
  return new Agent(rig, lb, rig.spawn(lb, command, { name: 'agent' }), config);
}

/** Starts the agent and waits until it serves, or knows why it announces nothing (drained, no services). */
export async function startAgent(rig: Rig, lb: string, overrides: ConfigTree = {}): Promise<Agent> {
  return settled(await spawnAgent(rig, lb, overrides), SETTLED);
}

/** Starts an agent, of either role, with this very configuration and waits until it serves. */
export async function startConfigured(rig: Rig, node: string, config: ConfigTree): Promise<Agent> {
  const file = rig.path(node, 'agent.yaml');
  writeFileSync(file, agentConfigText(config));
  const command = [...agentProgram(), 'run', '--config', file];
  return settled(new Agent(rig, node, rig.spawn(node, command, { name: 'agent' }), file), ['serving']);
}

async function settled(agent: Agent, states: readonly string[]): Promise<Agent> {
  await waitFor(
    `the agent on ${agent.lb} serves`,
    async () => agent.process.status !== undefined || states.includes(await agent.readiness()),
    { timeout: START, evidence: async () => agent.process.output() },
  );
  if (agent.process.status !== undefined) {
    throw new Error(`the agent on ${agent.lb} ended with ${agent.process.status}\n${agent.process.output()}`);
  }
  return agent;
}

/** One of the agent's other commands: `check FILE`, `cleanup --config FILE`. */
export function agentCommand(rig: Rig, lb: string, args: readonly string[], options: RunOptions = {}) {
  return rig.exec(lb, [process.execPath, AGENT, ...args], { timeout: START, ...options });
}

/** lbctl against the agent, or the pinned maps, of that node. */
export function lbctl(
  rig: Rig,
  lb: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return rig.exec(lb, [process.execPath, LBCTL, '--config', rig.path(lb, 'agent.yaml'), ...args], {
    timeout: START,
    ...options,
  });
}
