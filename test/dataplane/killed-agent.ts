/**
 * An agent that ends by SIGKILL right before its n-th store:
 * killed-agent.ts <bpf directory> <n> <state before> <state after>, states as JSON lists of services.
 */
import { Applier } from '../../src/dataplane/apply.ts';
import { agentNextHops } from '../../src/dataplane/room.ts';
import { kernelStores, type Stores } from '../../src/dataplane/stores.ts';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { kernel, open } from './bed.ts';
import { Killed, killAfter } from './watched-stores.ts';

const [directory = '', count = '', before = '', after = ''] = process.argv.slice(2);
const { maps, clock } = await open(directory);
const apply = async (stores: Stores, services: string): Promise<void> => {
  const agentsPart = agentNextHops(maps.arrays.next_hops.entries);
  const applier = new Applier({ kernel, maps, stores, agentNextHops: agentsPart, clock });
  await applier.apply(JSON.parse(services) as DesiredService[], { ownAddresses: [], deletions: true });
};
await apply(kernelStores(kernel), before);
try {
  await apply(killAfter(kernelStores(kernel), Number(count)), after);
} catch (error) {
  // In place of going on, whatever would still be in JavaScript's hands.
  if (error instanceof Killed) process.kill(process.pid, 'SIGKILL');
  throw error;
}
