/**
 * Builds a topology in network namespaces and takes it down again.
 *
 *     const rig = await createRig(oneArmedTopology({ id: 'try' }));
 *     try {
 *       await startFrr(rig, ROUTER);
 *       await rig.exec('client1', ['ping', '-c1', '10.30.1.2']);
 *     } finally {
 *       await rig.destroy();
 *     }
 */
import { chownSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BPFFS, ensureBpffs } from './bpffs.ts';
import { buildSteps, groupSteps } from './build-plan.ts';
import { type CommandResult, inNamespace, type RunOptions, run, runGroup } from './command.ts';
import { cleanLeftovers, takeDown } from './leftovers.ts';
import { ManagedProcess, type SpawnOptions } from './managed-process.ts';
import { createRecord, newRecord, type RigRecord, removeRecord, rigDirectory, saveRecord } from './record.ts';
import { namespaceOf, type Topology, topologyErrors } from './topology.ts';

/** The top directory of the source tree. */
export const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const XDP_PASS = join(PROJECT, 'build', 'rig', 'xdp-pass.bpf.o');

export class Rig {
  readonly processes: ManagedProcess[] = [];
  #record: RigRecord;
  #destroyed: Promise<void> | undefined;

  constructor(
    readonly topology: Topology,
    record: RigRecord,
  ) {
    this.#record = record;
  }

  get id(): string {
    return this.topology.id;
  }

  /** Logs, configurations and sockets of all nodes. */
  get directory(): string {
    return rigDirectory(this.id);
  }

  namespace(node: string): string {
    return namespaceOf(this.topology, node);
  }

  /** A directory of this node, made if missing; below it `parts`. */
  path(node: string, ...parts: string[]): string {
    const directory = join(this.directory, node);
    mkdirSync(directory, { recursive: true });
    return join(directory, ...parts);
  }

  /** Where the agent of an LB node pins its maps. */
  bpfDirectory(node: string): string {
    return join(BPFFS, this.namespace(node));
  }

  /** Runs a program in the node's namespace to its end. */
  exec(node: string, command: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return run(inNamespace(this.namespace(node), command), options);
  }

  /** Starts a program in the node's namespace. Its output goes to `<directory>/<node>/<name>.log`. */
  spawn(node: string, command: readonly string[], options: SpawnOptions = {}): ManagedProcess {
    const name = options.name ?? (command[0] ?? '').split('/').at(-1) ?? 'process';
    const log = this.path(node, `${name}.log`);
    const started = ManagedProcess.start(
      `${name} on ${node}`,
      inNamespace(this.namespace(node), command),
      log,
      options,
    );
    this.processes.push(started);
    this.#save({ ...this.#record, processes: [...this.#record.processes, started.id] });
    return started;
  }

  /** Leaves the rig standing when this process ends; `npx tsx test/rig/clean.ts <id>` takes it down. */
  keep(): void {
    this.#save({ ...this.#record, kept: true });
    live.delete(this);
  }

  /** Takes everything down. Safe to call twice. */
  destroy(): Promise<void> {
    live.delete(this);
    this.#destroyed ??= takeDown(this.#record);
    return this.#destroyed;
  }

  #save(record: RigRecord): void {
    this.#record = record;
    saveRecord(record);
  }
}

/** Rigs of this process that stand. */
const live = new Set<Rig>();

/** Builds it, after removing what killed runs left. Throws, with nothing left standing, when it cannot. */
export async function createRig(topology: Topology): Promise<Rig> {
  const errors = topologyErrors(topology);
  if (errors.length > 0) throw new Error(`topology ${topology.id}: ${errors.join('; ')}`);
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root: run as root or with sudo');
  await cleanLeftovers();
  await run(['make', '-s', '-C', join(PROJECT, 'test', 'rig')], { timeout: 60_000 });

  const namespaces = topology.nodes.map((node) => namespaceOf(topology, node.name));
  createRecord(newRecord(topology.id, [], []));
  const taken = namespaces.filter((name) => existsSync(`/run/netns/${name}`));
  if (taken.length > 0) {
    removeRecord(topology.id);
    throw new Error(`namespaces ${taken.join(', ')} exist and belong to no rig: remove them`);
  }
  const record = newRecord(topology.id, namespaces, outsidePaths(topology));
  saveRecord(record);
  const rig = new Rig(topology, record);
  live.add(rig);
  takeDownOnSignals();
  try {
    await ensureBpffs();
    const pin = passProgramPin(topology);
    await run(['bpftool', 'prog', 'load', XDP_PASS, pin]);
    for (const group of groupSteps(buildSteps(topology, pin))) await runGroup(group);
    rmSync(pin); // the devices hold it
    return rig;
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}

/** Where the program of the XDP devices' peers is pinned while the rig is built. */
function passProgramPin(topology: Topology): string {
  return join(BPFFS, `l4lb-${topology.id}-pass`);
}

/** What building, FRR and the agents make outside the rig's directory. */
function outsidePaths(topology: Topology): string[] {
  const bgp = topology.nodes
    .filter((node) => node.asn !== undefined)
    .map((node) => namespaceOf(topology, node.name));
  // Agents run on LB nodes and on workers.
  const agents = topology.nodes.map((node) => join(BPFFS, namespaceOf(topology, node.name)));
  return [...bgp.flatMap(frrDirectories), ...agents, passProgramPin(topology)];
}

/** FRR's directories of a path space (`-N`); it insists on these places. */
export function frrDirectories(space: string): string[] {
  return [join('/etc/frr', space), join('/var/run/frr', space)];
}

/** Makes a directory that another user owns. */
export function makeOwnedDirectory(path: string, uid: number, gid: number): void {
  mkdirSync(path, { recursive: true, mode: 0o750 });
  chownSync(path, uid, gid);
}

let watching = false;

/** Ctrl-C, SIGTERM and an uncaught error take the rigs down before the process ends. */
function takeDownOnSignals(): void {
  // vitest runs its own shutdown; what a killed worker leaves, the next createRig() removes.
  if (watching || process.env.VITEST !== undefined) return;
  watching = true;
  let leaving = false;
  const leave = async (status: number) => {
    // Ctrl-C comes twice under tsx, from the terminal and passed on: the second must not cut this short.
    if (leaving) return;
    leaving = true;
    await Promise.allSettled([...live].map((rig) => rig.destroy()));
    process.exit(status);
  };
  process.on('SIGINT', () => void leave(130));
  process.on('SIGTERM', () => void leave(143));
  process.on('SIGHUP', () => void leave(129));
  process.on('uncaughtException', (error) => {
    console.error(error);
    void leave(1);
  });
}
