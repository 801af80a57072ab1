/** A process that has a rig with everything in it, for the tests that kill it: `build-rig-and-wait.ts ID`. */
import { startBird, startFrr } from '../rig/bgp.ts';
import { oneArmedTopology, ROUTER } from '../rig/one-armed.ts';
import { createRig } from '../rig/rig.ts';
import { startNginx } from '../rig/servers.ts';

const rig = await createRig(oneArmedTopology({ id: process.argv[2] ?? '', workers: 4 }));
await startFrr(rig, ROUTER);
await startBird(rig, 'lb1');
await startNginx(rig, 'worker1');
console.log('standing');
setInterval(() => {}, 1 << 30);
