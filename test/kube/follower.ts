/** The source under test, with times that suit a test, and a record of what it said. */
import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { connectToApi } from '../../src/kubernetes/api-connection.ts';
import { clusterIdentity } from '../../src/kubernetes/cluster-identity.ts';
import { KubernetesSource } from '../../src/sources/kubernetes-source.ts';
import type { SourceSnapshot } from '../../src/sources/source.ts';
import { waitFor } from '../rig/wait.ts';
import type { ControlPlane } from './control-plane.ts';

export interface FollowOptions {
  readonly namespaces?: readonly string[];
  readonly nodes?: boolean;
  readonly page?: number;
  /** Milliseconds. */
  readonly silence?: number;
}

export class Follower {
  readonly source: KubernetesSource;
  readonly snapshots: SourceSnapshot[] = [];

  private constructor(kubeconfig: string, options: FollowOptions) {
    const { namespaces = [], nodes = false, page = 500, silence = 3_000 } = options;
    const identity = clusterIdentity(kubeconfig);
    this.source = new KubernetesSource({
      location: identity.location,
      connection: connectToApi({ identity, silence, answer: 3_000 }),
      namespaces,
      nodes,
      times: {
        page,
        watchMin: 240_000,
        watchMax: 480_000,
        retry: { first: 100, last: 500 },
        retryUnreachable: 500,
        secondLook: 500,
      },
    });
  }

  static async start(kubeconfig: string, options: FollowOptions = {}): Promise<Follower> {
    const follower = new Follower(kubeconfig, options);
    await follower.source.start(() => follower.snapshots.push(follower.source.snapshot()));
    return follower;
  }

  stop(): Promise<void> {
    return this.source.stop();
  }

  /** Addresses of all endpoints of a Service, sorted. */
  endpoints(service: string): string[] {
    return this.source
      .snapshot()
      .slices.filter((slice) => slice.service === service)
      .flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses))
      .sort();
  }

  get services(): string[] {
    return this.source.snapshot().services.map(({ namespace, name }) => `${namespace}/${name}`);
  }

  get problems(): string[] {
    return this.source.snapshot().problems.map(({ message }) => message);
  }

  /** Looks until it is so. */
  until(what: string, look: () => boolean, timeout = 30_000): Promise<unknown> {
    const evidence = async (): Promise<string> =>
      JSON.stringify({ snapshot: this.source.snapshot(), watches: this.source.watches() }, null, 1).slice(
        0,
        4_000,
      );
    return waitFor(what, async () => look(), { timeout, interval: 20, evidence });
  }

  async synced(): Promise<void> {
    await this.until('all kinds are watched', () =>
      this.source.watches().every(({ connected }) => connected),
    );
  }
}

/** A kubeconfig like the admin's, with another server, CA or user. */
export function writeKubeconfig(
  plane: ControlPlane,
  file: string,
  changes: {
    readonly server?: string;
    readonly cluster?: Readonly<Record<string, unknown>>;
    readonly user?: Readonly<Record<string, unknown>>;
  },
): string {
  const config = plane.kubeconfig as {
    clusters: Array<{ cluster: Record<string, unknown> }>;
    users: Array<{ user: Record<string, unknown> }>;
  };
  for (const entry of config.clusters) {
    entry.cluster = {
      ...entry.cluster,
      ...(changes.server ? { server: changes.server } : {}),
      ...changes.cluster,
    };
  }
  if (changes.user !== undefined) for (const entry of config.users) entry.user = { ...changes.user };
  writeFileSync(file, stringify(config), { mode: 0o600 });
  return file;
}
