/** Builds of faults, one ahead: the compiler works on the next one while the programs run with this one. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, ownProcess } from '../../rig/process-table.ts';
import { compileFault } from './compile-fault.ts';
import type { Fault } from './fault.ts';

const PREFIX = 'l4lb-fault-';

interface Build {
  readonly directory: string;
  /** The directory to use as L4LB_BUILD_DIR. */
  readonly ready: Promise<string>;
}

export class FaultBuilds {
  readonly #faults: readonly Fault[];
  readonly #builds = new Map<Fault, Build>();

  /** In the order in which they will be asked for. */
  constructor(faults: readonly Fault[]) {
    removeLeftDirectories();
    this.#faults = faults;
  }

  /** Where the build is. Rejects when it cannot be made; {@link drop} it afterwards. */
  async of(fault: Fault): Promise<string> {
    const { ready } = this.#start(fault);
    const build = await ready;
    const next = this.#faults[this.#faults.indexOf(fault) + 1];
    if (next !== undefined) this.#start(next);
    return build;
  }

  drop(fault: Fault): void {
    const build = this.#builds.get(fault);
    if (build === undefined) return;
    rmSync(build.directory, { recursive: true, force: true });
    this.#builds.delete(fault);
  }

  async close(): Promise<void> {
    for (const [fault, { ready }] of this.#builds) {
      await ready.catch(() => undefined);
      this.drop(fault);
    }
  }

  #start(fault: Fault): Build {
    const known = this.#builds.get(fault);
    if (known !== undefined) return known;
    const directory = mkdtempSync(ownPrefix());
    const build = { directory, ready: compileFault(fault, directory) };
    build.ready.catch(() => undefined); // told to whom asks for it
    this.#builds.set(fault, build);
    return build;
  }
}

/** Directories tell whose they are, so that two runs at a time do not take each other's away. */
function ownPrefix(): string {
  const { pid, startTime } = ownProcess();
  return join(tmpdir(), `${PREFIX}${pid}-${startTime}-`);
}

/** Of runs that were killed. */
function removeLeftDirectories(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const [pid, startTime = ''] = name.slice(PREFIX.length).split('-');
    if (isAlive({ pid: Number(pid), startTime })) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
