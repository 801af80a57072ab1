/**
 * Who we are to which API server: from a kubeconfig, or as a pod. Files are read again when they
 * change, tokens for each session: they are renewed every hour or so.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Agent, RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { ApiFailure } from './api-failure.ts';

export interface ApiAccess {
  readonly server: URL;
  /** TLS and headers of a request. */
  readonly options: RequestOptions;
  /** When the kubeconfig says proxy-url. */
  readonly proxyAgent?: Agent;
}

export interface ClusterIdentity {
  /** For people: the file, or that we are a pod. */
  readonly location: string;
  /** Throws an ApiFailure that says what is wrong with the file. */
  access(): Promise<ApiAccess>;
  /** Read everything anew next time. */
  forget(): void;
}

interface Loaded {
  readonly config: KubeConfig;
  /** The token is in this file. */
  readonly tokenFile?: string;
  /** Of the kubeconfig, to see a change. */
  readonly stamp: string;
}

/** Without a file: the identity that Kubernetes gives to pods. */
export function clusterIdentity(kubeconfig: string | undefined): ClusterIdentity {
  let loaded: Loaded | undefined;
  const location = kubeconfig ?? 'the pod';
  return {
    location,
    forget() {
      loaded = undefined;
    },
    async access() {
      try {
        const stamp = kubeconfig === undefined ? '' : stampOf(kubeconfig);
        if (loaded?.stamp !== stamp) loaded = { ...(await load(kubeconfig)), stamp };
        return await accessOf(loaded);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const what =
          kubeconfig === undefined
            ? `there is no identity of a pod (${reason}); give source.kubeconfig outside of a cluster`
            : `${kubeconfig} cannot be used (${reason})`;
        throw new ApiFailure('unreachable', `cannot be asked: ${what}`);
      }
    },
  };
}

function stampOf(file: string): string {
  const { mtimeMs, ino, size } = statSync(file);
  return `${mtimeMs}:${ino}:${size}`;
}

async function load(kubeconfig: string | undefined): Promise<Omit<Loaded, 'stamp'>> {
  // An agent that reads a directory need not read this. The whole library, with its class for each kind, takes
  // half a second and 50 MB.
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  if (kubeconfig === undefined) {
    if (!process.env.KUBERNETES_SERVICE_HOST) throw new Error('KUBERNETES_SERVICE_HOST is not set');
    config.loadFromCluster();
    const user = config.getCurrentUser();
    const tokenFile: unknown = user?.authProvider?.config.tokenFile;
    if (user === null || typeof tokenFile !== 'string') throw new Error('there is no service account');
    // The library's reader keeps a token for a minute after it was replaced.
    config.loadFromClusterAndUser(config.clusters[0] as KubeConfig['clusters'][0], { name: user.name });
    return { config, tokenFile };
  }
  config.loadFromFile(kubeconfig);
  if (config.getCurrentCluster() === null) throw new Error('current-context names no cluster of it');
  const user = config.getCurrentUser();
  if (user === null) throw new Error('current-context names no user of it');
  const tokenFile = tokenFileOf(kubeconfig, user.name);
  return tokenFile === undefined ? { config } : { config, tokenFile };
}

/** `tokenFile` of a user, which the library does not read. */
function tokenFileOf(kubeconfig: string, name: string): string | undefined {
  const { users } = parse(readFileSync(kubeconfig, 'utf8')) as {
    users?: ReadonlyArray<{ name?: unknown; user?: { tokenFile?: unknown } | null }>;
  };
  const file = users?.find((entry) => entry.name === name)?.user?.tokenFile;
  return typeof file === 'string' ? resolve(dirname(kubeconfig), file) : undefined;
}

async function accessOf({ config, tokenFile }: Loaded): Promise<ApiAccess> {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('it has no cluster');
  const options: RequestOptions = { headers: { accept: 'application/json', 'user-agent': 'l4lb' } };
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = { ...(options.headers as Record<string, string>) };
  if (tokenFile !== undefined) headers.Authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
  const { agent, ...rest } = options;
  return {
    server: new URL(`${cluster.server}/`),
    options: { ...rest, headers },
    ...(cluster.proxyUrl && agent ? { proxyAgent: agent as Agent } : {}),
  };
}
