/** The controller that the configuration asks for, if it does. */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import { connectToApi } from '../kubernetes/api-connection.ts';
import { clusterIdentity } from '../kubernetes/cluster-identity.ts';
import { systemTimers } from '../node/timers.ts';
import type { Problem } from '../services/desired-state.ts';
import type { Source } from '../sources/source.ts';
import { ClusterWrites } from './cluster-writes.ts';
import { Controller, type ControllerSettings } from './controller.ts';
import { Leader } from './leader.ts';

export interface ControllerSurroundings {
  readonly source: Pick<Source, 'snapshot'>;
  readonly problems: () => readonly Problem[];
  readonly log: Logger;
}

const ANSWER_MS = 10_000;

/** Nothing is connected before its start(). */
export function openController(
  config: Pick<Config, 'node' | 'source' | 'vips' | 'controller'>,
  { source, problems, log }: ControllerSurroundings,
): Controller | undefined {
  const { enabled, lease } = config.controller;
  if (!enabled) return undefined;
  const { kubeconfig, namespaces } = config.source;
  // A connection each, so that the Lease does not wait behind writes.
  const client = (limit: number, rights: string): ApiClient => {
    const identity = clusterIdentity(kubeconfig);
    return new ApiClient(connectToApi({ identity, silence: limit, answer: limit }), systemTimers, rights);
  };
  const leaseRights = `the rights get, create and patch on leases in namespace ${lease.namespace}`;
  return new Controller(
    {
      writes: new ClusterWrites(
        client(ANSWER_MS, 'the rights get on services, patch on services/status, create and patch on events'),
        config.node,
      ),
      lease,
      makeLeader: (onChange) =>
        new Leader({
          client: client(lease.duration / 3, leaseRights),
          // A name of its own for each run: one that was killed is another, which must run out.
          identity: `${config.node}_${randomBytes(6).toString('hex')}`,
          duration: lease.duration,
          place: lease,
          onChange,
          timers: systemTimers,
          clock: () => performance.now(),
          random: Math.random,
        }),
      source,
      namespaces,
      problems,
      timers: systemTimers,
      log,
    },
    controllerSettings(config),
  );
}

export function controllerSettings({
  vips,
  controller,
}: Pick<Config, 'vips' | 'controller'>): ControllerSettings {
  return { pools: controller.pools, ranges: vips.ranges, withoutClass: controller.withoutClass };
}
