/** Three LB nodes, a worker and its pods, with the worker's agent running. */
import { createManyPods, putPodService } from '../../rig/many-pods.ts';
import type { Rig } from '../../rig/rig.ts';
import { startWorkerAgent } from '../../rig/worker-rig.ts';

export async function createEventRig(name: string): Promise<Rig> {
  const rig = await createManyPods(name, ['lb1', 'lb2', 'lb3']);
  try {
    // An agent without services serves nothing; the first event puts its own there.
    putPodService(rig, { name: 'event-0', vip: '10.1.0.10', slots: 251, active: [0], terminating: [] });
    await startWorkerAgent(rig, 'xdp');
    return rig;
  } catch (error) {
    await rig.destroy();
    throw error;
  }
}
