/** Where the demo's services are written to: a directory that the agent watches, or a real API server. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ConfigTree } from '../rig/agent-config.ts';
import { manifestDirectory, type ServiceSpec, writeService } from '../rig/manifests.ts';
import type { Rig } from '../rig/rig.ts';
import { waitFor } from '../rig/wait.ts';

export interface Manifests {
  /** For people. */
  readonly source: string;
  /** How a change comes there. */
  readonly change: string;
  /** What the agent's configuration says about it. */
  readonly config: ConfigTree;
  publish(service: ServiceSpec): Promise<void>;
}

export function manifestFiles(rig: Rig): Manifests {
  return {
    source: 'a directory of Kubernetes manifests',
    change: 'manifest renamed into place',
    config: {},
    publish: async (service) => writeService(rig, service),
  };
}

const BUILD = fileURLToPath(new URL('../kube/control-plane/build', import.meta.url));
const PORT = 6443;

/** Starts etcd and kube-apiserver on the node's loopback; services come there by `kubectl apply`. */
export async function startCluster(rig: Rig, node: string): Promise<Manifests> {
  const directory = rig.path(node, 'cluster');
  const binary = execFileSync(BUILD, ['--path'], { encoding: 'utf8' }).trim();
  const command = [binary, '-directory', directory, '-port', String(PORT)];
  const server = rig.spawn(node, command, { name: 'kube-control-plane' });
  await waitFor(
    'the API server is ready',
    async () => server.status !== undefined || /^ready /m.test(server.output()),
    {
      timeout: 60_000,
      evidence: async () => server.output(),
    },
  );
  if (server.status !== undefined) throw new Error(`kube-control-plane has ended\n${server.output()}`);
  const kubeconfig = `${directory}/admin.kubeconfig`;
  const kubectl = (...args: string[]) => rig.exec(node, ['kubectl', '--kubeconfig', kubeconfig, ...args]);
  await kubectl('create', 'namespace', 'demo');
  return {
    source: 'a real API server',
    change: 'kubectl apply',
    config: { source: { kind: 'kubernetes', kubeconfig } },
    async publish(service) {
      writeService(rig, service);
      await kubectl('apply', '--filename', `${manifestDirectory(rig)}/${service.name}.yaml`);
    },
  };
}
