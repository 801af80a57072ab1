/**
 * tc with every offload on, as nodes have them: packets of many segments whose checksum is still to be
 * made, from the router's side as from the workers'. What arrives must be what was sent.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ServiceView } from '../../src/api/types.ts';
import { streamLoad } from '../rig/load.ts';
import { ROUTER, UPLINK, VIP } from '../rig/one-armed.ts';
import { CLIENT, LB, type LbRig, standLbRig } from './lb-rig.ts';

const SIZE = 64 << 20;
const FULL_SEGMENT = 1514;

let lb: LbRig;
let wanted = '';

beforeAll(async () => {
  lb = await standLbRig('offl', { xdp: false }, { devices: [{ name: UPLINK, attach: 'tc' }] });
  const content = randomBytes(SIZE);
  wanted = createHash('sha256').update(content).digest('hex');
  for (const worker of ['worker1', 'worker2']) {
    writeFileSync(lb.rig.path(worker, 'nginx', 'html', 'files', 'large'), content);
  }
});
afterAll(() => lb?.rig.destroy());

/** Bytes in a packet on average, of a service's frontend and a direction. */
async function meanPacket(port: number, direction: 'In' | 'Out'): Promise<number> {
  const services = await lb.agents[0]?.get<ServiceView[]>('/v1/services');
  const traffic = services?.find(({ frontend }) => frontend === `${VIP}:${port}/TCP`)?.traffic;
  if (traffic === undefined) throw new Error(`no service on port ${port}`);
  return traffic[`bytes${direction}`] / traffic[`packets${direction}`];
}

it('has the offloads on, on both ends', async () => {
  for (const [node, device] of [
    [LB, UPLINK],
    [ROUTER, LB],
  ] as const) {
    const { stdout } = await lb.rig.exec(node, ['ethtool', '-k', device]);
    for (const feature of ['tx-checksumming', 'tcp-segmentation-offload']) {
      expect(stdout).toMatch(new RegExp(`^${feature}: on`, 'm'));
    }
  }
});

async function downloadLarge(): Promise<void> {
  const download = `curl -sS -m 60 http://${VIP}/files/large | sha256sum`;
  const sums = await Promise.all(
    [1, 2, 3, 4].map(() => lb.rig.exec(CLIENT, ['sh', '-c', download], { timeout: 90_000 })),
  );
  expect(sums.map(({ stdout }) => stdout.split(' ')[0])).toEqual(sums.map(() => wanted));
}

it('carries large downloads whole, in packets of many segments', async () => {
  await downloadLarge();
  expect(await meanPacket(80, 'Out')).toBeGreaterThan(2 * FULL_SEGMENT);
});

it('carries streams in both directions, every byte verified, in packets of many segments', async () => {
  const streams = await streamLoad(lb.rig, CLIENT, {
    host: VIP,
    port: 7,
    connections: 4,
    chunk: 1_000_000,
    pause: 0,
  });
  const total = await streams.until('8 MB each', (counters) => counters.leastBytes >= 8_000_000);
  await streams.stop();
  expect([total.broken, total.refused]).toEqual([[], []]);
  for (const direction of ['In', 'Out'] as const) {
    expect(await meanPacket(7, direction)).toBeGreaterThan(2 * FULL_SEGMENT);
  }
});

it('leaves checksums of which others can make right ones', async () => {
  // Nobody looks at a checksum that is still to be made; from here on the router makes it, and ends look.
  for (const device of [CLIENT, 'worker1', 'worker2']) {
    await lb.rig.exec(ROUTER, ['ethtool', '-K', device, 'tx', 'off']);
  }
  await downloadLarge();
});
