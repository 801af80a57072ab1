/** A step of a rolling update, with the termination that Kubernetes' documentation asks of good pods. */
import { expect } from 'vitest';
import type { Cluster } from './cluster.ts';
import type { ClusterPod } from './cluster-pods.ts';

/**
 * Starts new pods of the app, waits until they get connections, then ends the old ones. A preStop hook sleeps
 * for as long as load balancers may need to hear of it; here it ends when ours has.
 */
export async function replacePods(
  cluster: Cluster,
  app: string,
  old: readonly ClusterPod[],
  starting: number,
): Promise<void> {
  if (starting > 0) {
    await cluster.pods.start(app, starting);
    await cluster.untilActive(app, cluster.pods.of(app));
  }
  const staying = cluster.pods.of(app).filter((pod) => !old.includes(pod));
  cluster.pods.beginTermination(old);
  await cluster.untilActive(app, staying);
  expect(await cluster.pods.endTermination(old)).toBe(0);
}
