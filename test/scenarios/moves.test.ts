/**
 * A thousand long connections move from one LB node to another that shares nothing with it, mid-transfer: by
 * IPIP and by GUE, also while a backend is being added.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent } from '../rig/agent.ts';
import { startDsrNode } from '../rig/dsr-node.ts';
import type { StreamCounters } from '../rig/load/counters.ts';
import { type Load, streamLoad } from '../rig/load.ts';
import {
  CLIENT,
  clientAddress,
  createManyPods,
  type LbName,
  PORT,
  podAddress,
  putPodService,
  routeOver,
} from '../rig/many-pods.ts';
import type { Rig } from '../rig/rig.ts';
import { startWorkerAgent } from '../rig/worker-rig.ts';

const CONNECTIONS = 1000;
const CHUNK = 4000;
const VIP = '10.1.0.10';
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

let rig: Rig;
const nodes: Agent[] = [];
let load: Load<StreamCounters>;

beforeAll(async () => {
  rig = await createManyPods('moves', ['lb1', 'lb2']);
  putPods(upTo(10));
  await startWorkerAgent(rig, 'xdp');
  nodes.push(await startDsrNode(rig, 'lb1', { mode: 'ipip', attach: 'xdp' }));
  nodes.push(await startDsrNode(rig, 'lb2', { mode: 'gue', attach: 'xdp' }));
  load = await connections(0);
});
afterAll(() => rig?.destroy());

function putPods(active: readonly number[]): void {
  putPodService(rig, { name: 'echo', vip: VIP, slots: 4099, active, terminating: [] });
}

/** All of them up, from an address of their own. */
async function connections(from: number): Promise<Load<StreamCounters>> {
  const settings = { connections: CONNECTIONS, chunk: CHUNK, pause: 200, patience: 20_000 };
  const started = await streamLoad(rig, CLIENT, {
    ...settings,
    host: VIP,
    port: PORT,
    from: clientAddress(from),
  });
  await started.until(`${CONNECTIONS} connections`, (counters) => counters.open === CONNECTIONS);
  return started;
}

/** Waits until every connection that is up has carried two more chunks, or has broken. */
async function untilAllMove(of: Load<StreamCounters>): Promise<StreamCounters> {
  const { mostBytes } = await of.read();
  return of.until('every connection goes on', (now) => now.leastBytes > mostBytes + CHUNK);
}

/** Moves all traffic there, and waits until every connection has gone on through that node. */
async function moveTo(lb: LbName): Promise<void> {
  const agent = nodes.find((each) => each.lb === lb);
  const packets = async () => (await agent?.services())?.[0]?.traffic.packetsIn ?? Number.NaN;
  const before = await packets();
  await routeOver(rig, [lb]);
  await untilAllMove(load);
  expect(await packets()).toBeGreaterThanOrEqual(before + 2 * CONNECTIONS);
}

/** Until all nodes have this many backends. */
async function untilProgrammed(count: number): Promise<void> {
  for (const agent of nodes) {
    await agent.untilServices(
      `${count} backends on ${agent.lb}`,
      ([only]) => only?.backends.length === count,
    );
  }
}

describe('1,000 connections that carry data', () => {
  it('move to the other node and back, and none breaks', async () => {
    await untilAllMove(load);
    for (const lb of ['lb2', 'lb1', 'lb2', 'lb1'] as const) await moveTo(lb);
    const { open, broken, refused } = await load.read();
    console.log(`broken by four moves: ${broken.length} of ${CONNECTIONS}`);
    expect({ open, broken, refused }).toEqual({ open: CONNECTIONS, broken: [], refused: [] });
  });

  it('move while a backend is being added, and none of those from before breaks', async () => {
    putPods(upTo(11)); // neither node knows yet
    await moveTo('lb2');
    await moveTo('lb1');
    await untilProgrammed(11);
    await moveTo('lb2');
    await moveTo('lb1');
    const { open, broken } = await load.read();
    console.log(`broken by moves while a backend was added: ${broken.length} of ${CONNECTIONS}`);
    expect({ open, broken }).toEqual({ open: CONNECTIONS, broken: [] });
  });

  it('those that began after the change with the new backend are what another node cannot know', async () => {
    const changed = Date.now();
    const young = await connections(1);
    await untilAllMove(young);
    const { byPod } = await young.read();
    const withNew = byPod[podAddress(10)] ?? 0;
    expect(withNew).toBeGreaterThan(0);
    await routeOver(rig, ['lb2']);
    const after = await young.until(
      'connections go on or break',
      ({ open, broken }) => open + broken.length === CONNECTIONS && broken.length >= withNew,
    );
    await untilAllMove(young);
    const { broken } = await young.read();
    console.log(
      `of ${CONNECTIONS} that began after the change ${broken.length} broke; ${withNew} were with the new backend`,
    );
    expect(after.refused).toEqual([]);
    expect(broken.filter(({ began = 0 }) => began < changed)).toEqual([]);
    // Every one of the new backend's; of the others those whose slot moved between two old ones.
    expect(broken.filter(({ pod }) => pod === podAddress(10))).toHaveLength(withNew);
    expect(broken.length).toBeLessThan(CONNECTIONS / 4);
    await untilAllMove(load);
    expect(await load.read()).toMatchObject({ open: CONNECTIONS, broken: [] });
  });

  it('all that are left end in order', async () => {
    const { broken, verifiedBytes } = await load.stop();
    expect(broken).toEqual([]);
    expect(verifiedBytes).toBeGreaterThan(CONNECTIONS * 20 * CHUNK);
  });
});
