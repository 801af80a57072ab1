/** A real control plane as a process: etcd, kube-apiserver, the EndpointSlice controller. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const BUILD = fileURLToPath(new URL('./control-plane/build', import.meta.url));
const PREFIX = 'l4lb-kube-';
const START_MS = 60_000;

/** For a test file's things; those of runs that were killed are taken away. */
export function scratchDirectory(name: string): string {
  for (const entry of readdirSync(tmpdir())) {
    const pid = /^l4lb-kube-(\d+)-/.exec(entry)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(tmpdir(), entry), { recursive: true, force: true });
    }
  }
  const directory = join(tmpdir(), `${PREFIX}${process.pid}-${name}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export interface Credentials {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Where it listens. */
export interface Place {
  /** Default: a free one. */
  readonly port?: number;
  readonly address?: string;
  /** A command before the command, such as nsenter: for another network namespace. */
  readonly inside?: readonly string[];
}

export class ControlPlane {
  #process: ChildProcess | undefined;
  #output = '';

  private constructor(
    readonly directory: string,
    readonly place: Required<Place>,
  ) {}

  /** Starts one whose files are in the directory. */
  static async start(directory: string, place: Place = {}): Promise<ControlPlane> {
    const { port = await freePort(), address = '127.0.0.1', inside = [] } = place;
    const plane = new ControlPlane(directory, { port, address, inside });
    await plane.start();
    return plane;
  }

  get url(): string {
    return `https://${this.place.address}:${this.port}`;
  }

  get port(): number {
    return this.place.port;
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  get adminKubeconfig(): string {
    return this.file('admin.kubeconfig');
  }

  get credentials(): Credentials {
    const read = (name: string): Buffer => readFileSync(this.file(name));
    return { ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') };
  }

  /** Again, with what etcd has on the disk. */
  async start(): Promise<void> {
    const binary = execFileSync(BUILD, ['--path'], { encoding: 'utf8' }).trim();
    const { inside, address, port } = this.place;
    const flags = ['-directory', this.directory, '-address', address, '-port', String(port), '-attached'];
    const [program = '', ...args] = [...inside, binary, ...flags];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process = child;
    this.#output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#note(text));
    await this.#said(/^ready /m, START_MS);
  }

  /** SIGKILL is a crash of server and etcd at once. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill(signal);
    });
  }

  /** Ends it for good, and takes its files away. */
  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Makes etcd forget all revisions but the newest. */
  async compact(): Promise<void> {
    this.#output = '';
    this.#process?.kill('SIGUSR1');
    await this.#said(/^compacted/m, 10_000);
  }

  kubectl(args: readonly string[], input?: string): string {
    const [program = '', ...rest] = [...this.place.inside, 'kubectl', '--kubeconfig', this.adminKubeconfig];
    return execFileSync(program, [...rest, ...args], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(input === undefined ? {} : { input }),
    });
  }

  /** The admin's kubeconfig as data, for tests that write another one. */
  get kubeconfig(): Record<string, unknown> {
    return parse(readFileSync(this.adminKubeconfig, 'utf8')) as Record<string, unknown>;
  }

  #note(text: string): void {
    this.#output = (this.#output + text).slice(-20_000);
  }

  #said(pattern: RegExp, milliseconds: number): Promise<void> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`kube-control-plane ${why}:\n${this.#output}`));
      const timer = setTimeout(
        () => fail(`did not say ${pattern} in ${milliseconds / 1000} s`),
        milliseconds,
      );
      const ended = (): void => fail('ended');
      const listen = (text: string): void => {
        this.#note(text);
        if (!pattern.test(this.#output)) return;
        clearTimeout(timer);
        child?.stdout?.off('data', listen);
        child?.off('exit', ended);
        resolve();
      };
      child?.stdout?.setEncoding('utf8').on('data', listen);
      child?.once('exit', ended);
    });
  }
}
