/**
 * The agent as a container runtime would start it for a DaemonSet of deploy/: its capabilities and no others, no
 * new privileges, the root and /proc/sys read-only, and the identity of its service account.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as bench from '../scenarios/agent-bench.ts';
import type { KubeObject } from './api-client.ts';
import type { ControlPlane } from './control-plane.ts';
import { accountToken, DEPLOYED } from './deployed-rights.ts';

export interface Probe {
  readonly httpGet: { readonly host: string; readonly port: number; readonly path: string };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly containers: readonly [
    {
      readonly args: readonly string[];
      readonly env: ReadonlyArray<{ readonly name: string; readonly value?: string }>;
      readonly securityContext: {
        readonly runAsUser: number;
        readonly allowPrivilegeEscalation: boolean;
        readonly readOnlyRootFilesystem: boolean;
        readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] };
      };
      readonly livenessProbe: Probe;
      readonly readinessProbe: Probe;
    },
  ];
}

export function podSpec(objects: readonly KubeObject[], name: string): PodSpec {
  const found = objects.find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === name);
  if (found === undefined) throw new Error(`deploy/ has no DaemonSet ${name}`);
  return (found as unknown as { spec: { template: { spec: PodSpec } } }).spec.template.spec;
}

/** Mounts are those of the process alone, and go with it. Arguments: the files, the program. */
const SCRIPT = `
files=$1; runtime=$2; shift 2
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io
cp -r "$files/account" /run/secrets/kubernetes.io/serviceaccount
mount --bind /proc/sys/net "$files/sys/net"
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind "$runtime" "$runtime"
mount -o remount,bind,ro /
exec "$@"
`;

export interface PodChanges {
  /** Of capabilities that deploy/ gives. */
  readonly without?: string;
  /** Environment variables, in place of those of deploy/. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the agent with the configuration of the bench. The control plane is in the bench's namespace. */
export function runAsPod(
  plane: ControlPlane,
  { serviceAccountName, containers: [container] }: PodSpec,
  { without, env = {} }: PodChanges = {},
): bench.RunningAgent {
  const files = join(bench.directory, 'pod');
  mkdirSync(join(files, 'account'), { recursive: true });
  mkdirSync(join(files, 'sys', 'net'), { recursive: true });
  const put = (name: string, content: string | Buffer): void =>
    writeFileSync(join(files, 'account', name), content, { mode: 0o600 });
  put('token', accountToken(plane, serviceAccountName));
  put('ca.crt', plane.credentials.ca);
  put('namespace', DEPLOYED);
  return bench.startAgentBy(
    (program) => {
      const command = [
        `--net=${bench.namespace}`,
        ...[
          'unshare',
          '--mount',
          '--propagation',
          'private',
          'sh',
          '-ec',
          SCRIPT,
          'pod',
          files,
          bench.runtime,
        ],
        ...setpriv(container.securityContext, without),
        ...program,
      ];
      return spawn('nsenter', command, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH,
          KUBERNETES_SERVICE_HOST: plane.place.address,
          KUBERNETES_SERVICE_PORT: String(plane.port),
          L4LB_PROC_SYS: join(files, 'sys'),
          ...env,
        },
      });
    },
    'run',
    '--config',
    bench.configFile,
  );
}

function setpriv(
  security: PodSpec['containers'][0]['securityContext'],
  without: string | undefined,
): string[] {
  const { runAsUser, allowPrivilegeEscalation, capabilities } = security;
  if (capabilities.drop.join() !== 'ALL') throw new Error('deploy/ does not drop all capabilities');
  const kept = capabilities.add.filter((name) => name !== without);
  const set = ['-all', ...kept.map((name) => `+${name.toLowerCase()}`)].join();
  return [
    'setpriv',
    `--reuid=${runAsUser}`,
    `--bounding-set=${set}`,
    `--inh-caps=${set}`,
    ...(allowPrivilegeEscalation ? [] : ['--no-new-privs']),
  ];
}

/** Asks as the kubelet does: the status of the answer. */
export function probe({ httpGet: { host, port, path } }: Probe): number {
  const ask = `fetch('http://${host}:${port}${path}').then(({ status }) => console.log(status), () => console.log(0))`;
  return Number(bench.inside(process.execPath, '--eval', ask));
}
