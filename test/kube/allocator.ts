/** A process that gives addresses, for tests: started, killed, and asked what it knows. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ControllerState } from '../../src/controller/controller.ts';
import { waitFor } from '../rig/wait.ts';
import type { ControlPlane } from './control-plane.ts';

const PROGRAM = fileURLToPath(new URL('./controller-process.ts', import.meta.url));

export interface AllocatorOptions {
  readonly pools: string;
  readonly withoutClass?: boolean;
  /** Default: one in `default`, which the admin may write. */
  readonly lease?: string;
  /** Default: the admin's. */
  readonly kubeconfig?: string;
  /** A command before the command, such as nsenter. */
  readonly inside?: readonly string[];
}

export class Allocator {
  readonly name: string;
  readonly #plane: ControlPlane;
  readonly #options: AllocatorOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #log = '';
  #state: ControllerState | undefined;

  constructor(plane: ControlPlane, name: string, options: AllocatorOptions) {
    this.#plane = plane;
    this.name = name;
    this.#options = options;
    this.#writeConfig(options.pools);
    const command = [...(options.inside ?? []), process.execPath, '--import', 'tsx', PROGRAM, this.#file];
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      const last = lines.at(-1);
      if (last !== undefined) this.#state = JSON.parse(last) as ControllerState;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-8_000);
    });
  }

  get #file(): string {
    return this.#plane.file(`${this.name}.yaml`);
  }

  #writeConfig(pools: string): void {
    const { kubeconfig = this.#plane.adminKubeconfig, withoutClass = false } = this.#options;
    const { lease = 'namespace: default, name: l4lb' } = this.#options;
    writeFileSync(
      this.#file,
      `node: ${this.name}
source: { kind: kubernetes, kubeconfig: ${kubeconfig}, secondLook: 0s }
vips: { ranges: [10.1.0.0/24, "2001:db8:1::/64"] }
devices: [{ name: eth0 }]
snat: { addresses: [10.2.0.16, "2001:db8:2::1"] }
controller:
  enabled: true
  pools: ${pools}
  withoutClass: ${withoutClass}
  lease: { ${lease}, duration: 3s }
`,
    );
  }

  /** Others than before, in the running process. */
  editPools(pools: string): void {
    this.#writeConfig(pools);
    this.#child.kill('SIGHUP');
  }

  /** Resolves when it is gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    await this.#ended;
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  get leads(): boolean {
    return this.#state?.leader.leads === true;
  }

  until(what: string, look: (state: ControllerState) => boolean, timeout = 30_000): Promise<unknown> {
    const evidence = async (): Promise<string> => `${JSON.stringify(this.#state, null, 1)}\n${this.#log}`;
    return waitFor(`${this.name}: ${what}`, async () => this.#state !== undefined && look(this.#state), {
      timeout,
      evidence,
    });
  }

  untilLeading(): Promise<unknown> {
    return this.until('it leads', ({ leader }) => leader.leads);
  }
}
