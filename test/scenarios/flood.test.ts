/**
 * Five million SYNs of random tuples through the real program, beside connections that carry data. A service
 * whose slots are not tracked keeps nothing of them; of one whose slots are tracked no flow begins on its new
 * backend unremembered.
 */
import { cpus } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionView, ServiceView, StatsView } from '../../src/api/types.ts';
import { openPinnedDataplane } from '../../src/dataplane/maps.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import type { Agent } from '../rig/agent.ts';
import { startDsrNode } from '../rig/dsr-node.ts';
import type { StreamCounters } from '../rig/load/counters.ts';
import { type Load, streamLoad } from '../rig/load.ts';
import {
  CLIENT,
  clientAddress,
  createManyPods,
  PORT,
  podAddress,
  putPodService,
  ROUTER,
} from '../rig/many-pods.ts';
import type { Rig } from '../rig/rig.ts';
import { synFlood } from '../rig/syn-flood.ts';
import { startWorkerAgent } from '../rig/worker-rig.ts';

const SYNS = 5_000_000;
const CONNECTIONS = 300;
const CHUNK = 1000;
/** Fewer than a flood would fill, so that rate and room are both used up. */
const ROOM = 4096;
const PER_SECOND = 1000;
const SERVICES = { quiet: '10.1.0.10', changing: '10.1.0.11' } as const;
const NEW_POD = 10;
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

let rig: Rig;
let node: Agent;
const loads: Load<StreamCounters>[] = [];

beforeAll(async () => {
  rig = await createManyPods('flood', ['lb1']);
  // Answers to the flood end here.
  await rig.exec(ROUTER, ['ip', 'route', 'add', 'blackhole', '198.18.0.0/15']);
  for (const name of ['quiet', 'changing'] as const) putPods(name, 10);
  await startWorkerAgent(rig, 'xdp');
  node = await startDsrNode(rig, 'lb1', {
    mode: 'ipip',
    attach: 'xdp',
    dsr: { rememberedFlows: ROOM, rememberPerSecond: PER_SECOND },
    // The flood's own are looked at when it is over, before they are given up.
    timeouts: { tcpSyn: '10m' },
  });
  for (const [n, vip] of Object.values(SERVICES).entries()) loads.push(await connections(vip, n));
});
afterAll(() => rig?.destroy());

function putPods(name: keyof typeof SERVICES, count: number): void {
  putPodService(rig, { name, vip: SERVICES[name], slots: 4099, active: upTo(count), terminating: [] });
}

async function connections(host: string, from: number): Promise<Load<StreamCounters>> {
  const settings = { connections: CONNECTIONS, chunk: CHUNK, pause: 200, patience: 20_000 };
  const load = await streamLoad(rig, CLIENT, { ...settings, host, port: PORT, from: clientAddress(from) });
  await load.until(`${CONNECTIONS} connections`, (counters) => counters.open === CONNECTIONS);
  return load;
}

/** Every connection goes on, and none has broken. */
async function expectUnbroken(): Promise<void> {
  for (const load of loads) {
    const { mostBytes } = await load.read();
    await load.until('every connection goes on', (now) => now.leastBytes > mostBytes);
    const { open, broken } = await load.read();
    expect({ open, broken }).toEqual({ open: CONNECTIONS, broken: [] });
  }
}

/** Entries of the maps that keep something for a flow. */
function entriesByMap(): Record<string, number> {
  const kernel = openKernel();
  const maps = openPinnedDataplane(kernel, rig.bpfDirectory('lb1'), 'read');
  if (maps === undefined) throw new Error(`no pinned maps in ${rig.bpfDirectory('lb1')}`);
  const names = ['flows4', 'flows6', 'remembered4', 'remembered6', 'snat_shared'] as const;
  return Object.fromEntries(names.map((name) => [name, kernel.entries(maps.others[name]).length]));
}

interface Seen {
  /** Packets of the service, and events by name. */
  readonly packets: number;
  readonly flows: number;
  readonly remembered: number;
  readonly notRemembered: number;
}

async function look(vip: string): Promise<Seen> {
  const { events } = await node.get<StatsView>('/v1/stats');
  const event = (name: string) => events.find((each) => each.event === name)?.packets ?? Number.NaN;
  const service = (await node.services()).find((each) => each.vip === vip) as ServiceView;
  expect(service.drops).toEqual({});
  const { packetsIn: packets, flows } = service.traffic;
  return { packets, flows, remembered: event('remembered'), notRemembered: event('not-remembered') };
}

interface Flooded {
  /** SYNs that the program forwarded, by backend. */
  readonly arrived: Map<string, number>;
  /** Client endpoints of those that it forwarded to the new backend. */
  readonly onNew: string[];
}

/** Floods the service until the program has seen them all: a veth loses some of what it cannot hold. */
async function flood(vip: string): Promise<Flooded> {
  const arrived = new Map<string, number>();
  const onNew: string[] = [];
  const from = (await look(vip)).flows;
  for (let seen = 0; seen < SYNS; seen = (await look(vip)).flows - from) {
    const syns = Math.ceil(1.1 * (SYNS - seen));
    const sent = await synFlood(rig, { lb: 'lb1', vip, syns, watched: podAddress(NEW_POD) });
    for (const [pod, count] of Object.entries(sent.arrived)) {
      arrived.set(pod, (arrived.get(pod) ?? 0) + count);
    }
    for (const [client, port] of sent.watched) onNew.push(`${client}:${port}`);
  }
  return { arrived, onNew };
}

describe('a flood of five million SYNs', () => {
  it('leaves nothing behind in a service whose slots are not tracked, and breaks no connection', async () => {
    const maps = entriesByMap();
    const before = await look(SERVICES.quiet);
    const { arrived } = await flood(SERVICES.quiet);
    const after = await look(SERVICES.quiet);
    expect(Object.values(maps)).toEqual([0, 0, 0, 0, 0]);
    expect(entriesByMap()).toEqual(maps);
    expect([after.remembered, after.notRemembered]).toEqual([before.remembered, before.notRemembered]);
    const counts = upTo(10).map((n) => arrived.get(podAddress(n)) ?? 0);
    console.log(`SYNs by backend: ${counts.join(' ')}`);
    for (const count of counts) expect(count).toBeGreaterThan(SYNS / 20);
    await expectUnbroken();
  });

  it('begins no flow unremembered on the new backend of tracked slots, and breaks no connection', async () => {
    putPods('changing', NEW_POD + 1);
    await node.untilServices('the new backend', (services) =>
      services.some(({ backends }) => backends.length === NEW_POD + 1),
    );
    const before = await look(SERVICES.changing);
    const began = Date.now();
    const { arrived, onNew } = await flood(SERVICES.changing);
    const seconds = (Date.now() - began) / 1000;
    const after = await look(SERVICES.changing);
    const known = await node.get<ConnectionView[]>('/v1/connections?client=198.18.0.0/15');
    const remembered = new Set(known.filter(isOnNewPod).map(({ client }) => client));
    const notRemembered = after.notRemembered - before.notRemembered;
    console.log(
      `${onNew.length} SYNs went to the new backend, ${remembered.size} of its flows are remembered, ` +
        `${notRemembered} of its slots' SYNs went to the former ones; ${seconds.toFixed(1)} s`,
    );
    expect(onNew.length).toBeGreaterThan(0);
    // Of random tuples a few come twice.
    expect(arrived.get(podAddress(NEW_POD))).toBeGreaterThanOrEqual(onNew.length);
    expect(onNew.filter((tuple) => !remembered.has(tuple))).toEqual([]);
    expect(notRemembered).toBeGreaterThan(SYNS / 50);
    expect(known.length).toBeLessThanOrEqual(ROOM);
    const budget = PER_SECOND * cpus().length * (seconds + 1);
    expect(after.remembered - before.remembered).toBeLessThanOrEqual(budget);
    await expectUnbroken();
  });

  it('lets new connections begin when nothing more can be remembered: with the former backends', async () => {
    const load = await connections(SERVICES.changing, 2);
    loads.push(load);
    await expectUnbroken();
    const remembered = await node.get<ConnectionView[]>(`/v1/connections?client=${clientAddress(2)}`);
    const { byPod } = await load.read();
    expect(byPod[podAddress(NEW_POD)] ?? 0).toBe(remembered.filter(isOnNewPod).length);
  });
});

function isOnNewPod({ backend }: ConnectionView): boolean {
  return backend.startsWith(`${podAddress(NEW_POD)}:`);
}
