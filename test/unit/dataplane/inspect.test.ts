/** What the maps say, as the API shows it. */
import { expect, test } from 'vitest';
import { inspectMaps, statsOf } from '../../../src/dataplane/inspect/open-inspector.ts';
import {
  nameOfFrontend,
  namesOf,
  type ServiceNames,
  unknownNames,
} from '../../../src/dataplane/service-names.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import {
  backend,
  dropReason,
  eventKind,
  type FlowRecord,
  flowFlag,
  flowRecord,
  flowState,
} from '../../../src/layout/generated.ts';
import type { DesiredService } from '../../../src/services/desired-state.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';
import { applierOn } from './fake-applier.ts';
import { FakeKernel } from './fake-kernel.ts';

const HZ = 100;
const NOW = 50; // shortly after the wrap
const clock = { hz: HZ, now: () => NOW };

const DNS: DesiredService = {
  frontend: { vip: '10.1.0.2', port: 53, protocol: 'UDP' },
  namespace: 'default',
  name: 'dns',
  portName: 'dns',
  type: 'LoadBalancer',
  mode: 'snat',
  tableSize: 251,
  backends: [
    { address: '10.0.0.1', port: 5353, weight: 1, state: 'active', target: 'default/dns-0' },
    { address: '10.0.0.2', port: 5353, weight: 4, state: 'active', node: 'w1' },
    { address: '10.0.0.3', port: 5353, weight: 0, state: 'draining', reason: 'terminating' },
  ],
};

const CONFIG = {
  snat: {
    ranges: [
      { first: 0x0a020010, count: 2, own: false },
      { first: 0x0a030001, count: 1, own: false },
    ],
    ports: { min: 1024, max: 65535 },
    sharedFlows: 0,
  },
  timeouts: {
    tcpSyn: 5_000,
    tcpEstablished: 60_000,
    tcpHalfClosed: 10_000,
    tcpClosed: 2_000,
    udp: 3_000,
    udpReplied: 4_000,
  },
};

async function setUp(counters: Record<string, Record<number, bigint>> = {}) {
  const kernel = new FakeKernel();
  const applier = applierOn(kernel, { clock });
  await applier.apply([DNS], { ownAddresses: [], deletions: true });
  const { service_counters: retired = {}, ...others } = counters;
  const { view } = kernel.maps.arrays.service_counters;
  for (const [word, value] of Object.entries(retired)) view.setBigUint64(Number(word) * 8, value, true);
  Object.assign(kernel.counters, others);
  const names = namesOf(byFrontend(DNS), CONFIG, HZ);
  return { kernel, applier, names, inspect: (known = names) => inspecting(kernel, known) };
}

/** Each view in one go. */
function inspecting(kernel: FakeKernel, names: ServiceNames) {
  const { maps } = kernel;
  const inspector = inspectMaps({ kernel: kernel as unknown as Kernel, maps, clock, names: () => names });
  const look = () => runAtOnce(inspector.look());
  return {
    services: () => [...look().services()],
    stats: () => runAtOnce(statsOf(look())),
    summary: () => runAtOnce(inspector.overview()),
    connections: () => [...inspector.connections()],
    maglev: (frontend: string) => runAtOnce(inspector.maglev(frontend)),
    frontendsOf: (name: string) => runAtOnce(inspector.frontendsOf(name)),
  };
}

/** Index of the backend's entry. */
function entryOf(kernel: FakeKernel, host: number): number {
  const { view, stride, entries } = kernel.maps.arrays.backends;
  for (let index = 0; index < entries; index++) {
    if (backend.read(view, index * stride).addr[0] === 0x0a000000 + host) return index;
  }
  throw new Error(`no backend 10.0.0.${host}`);
}

function writeRecord(kernel: FakeKernel, index: number, value: Partial<FlowRecord>): void {
  const { view, stride } = kernel.maps.arrays.flow_records;
  flowRecord.write(view, index * stride, {
    ...flowRecord.decode(new Uint8Array(flowRecord.size)),
    client: [0xc0000207, 0, 0, 0],
    vip: [0x0a010002, 0, 0, 0],
    clientPort: 40000,
    vipPort: 53,
    protocol: 17,
    snatIndex: 2,
    snatPort: 1024 + index,
    ...value,
  });
}

const byFrontend = (...services: DesiredService[]) =>
  new Map(services.map((service) => [nameOfFrontend(service), service]));

test('services and backends, with names, shares and reasons', async () => {
  const { inspect } = await setUp({ service_counters: { 8: 5n, 9: 500n, 12: 2n }, service_drops: {} });
  const [view, ...others] = inspect().services();
  expect(others).toEqual([]);
  expect(view).toMatchObject({
    id: 1,
    frontend: '10.1.0.2:53/UDP',
    namespace: 'default',
    name: 'dns',
    portName: 'dns',
    type: 'LoadBalancer',
    mode: 'snat',
    tableSize: 251,
    traffic: { packetsIn: 5, bytesIn: 500, packetsOut: 0, bytesOut: 0, flows: 2 },
    backends: [
      { address: '10.0.0.1', port: 5353, state: 'active', weight: 1, slots: 50, target: 'default/dns-0' },
      { address: '10.0.0.2', state: 'active', weight: 4, slots: 201, share: 201 / 251, node: 'w1' },
      {
        address: '10.0.0.3',
        state: 'draining',
        weight: 0,
        slots: 0,
        reason: 'terminating',
        nextHop: 'unresolved',
      },
    ],
  });
});

test('without stored names the maps still say most', async () => {
  const { inspect } = await setUp();
  const [view] = inspect(unknownNames(HZ)).services();
  expect(view).toMatchObject({ frontend: '10.1.0.2:53/UDP', name: '', type: 'unknown' });
  expect(view?.backends.map(({ state }) => state)).toEqual(['active', 'active', 'draining']);
});

test('flows: alive, holding a port, expired, and of a former life of the entry', async () => {
  const { kernel, inspect } = await setUp();
  const index = entryOf(kernel, 2);
  const before = (jiffies: number) => (NOW - jiffies) >>> 0;
  writeRecord(kernel, 1, { backend: index, state: flowState.FLOW_UDP_REPLIED, seen: before(250) });
  writeRecord(kernel, 2, { backend: index, state: flowState.FLOW_UDP, seen: before(301) });
  writeRecord(kernel, 3, { backend: index, state: flowState.FLOW_CLOSED, seen: before(150) });
  writeRecord(kernel, 4, { backend: index, state: flowState.FLOW_UDP, seen: NOW + 1 });
  writeRecord(kernel, 5, { backend: index, backendGeneration: 9, state: flowState.FLOW_UDP, seen: NOW });
  writeRecord(kernel, 6, { backend: index, state: flowState.FLOW_CLAIMED, seen: NOW });
  const view = inspect();
  const [service] = view.services();
  expect(service?.backends.map(({ activeFlows }) => activeFlows)).toEqual([0, 2, 0]);
  expect(view.summary()).toMatchObject({ services: 1, backends: 3, activeFlows: 3, snat: { used: 5 } });
  const flows = view.connections();
  expect(flows).toHaveLength(4);
  expect(flows[0]).toEqual({
    protocol: 'UDP',
    client: '192.0.2.7:40000',
    frontend: '10.1.0.2:53/UDP',
    snat: '10.3.0.1:1025',
    backend: '10.0.0.2:5353',
    state: 'udp-replied',
    idleSeconds: 2,
    expiresInSeconds: 2,
    service: 'default/dns',
  });
  expect(flows.map(({ state }) => state)).toEqual(['udp-replied', 'closed', 'udp', 'udp']);
  expect(flows[2]?.idleSeconds).toBe(0);
});

test('IPv6: services, source ranges, flows and their SNAT address', async () => {
  const kernel = new FakeKernel();
  const applier = applierOn(kernel, { clock });
  const six: DesiredService = {
    ...DNS,
    frontend: { vip: '2001:db8:1::2', port: 53, protocol: 'UDP' },
    affinity: { timeout: 1 },
    hash3: true,
    sourceRanges: ['2001:db8:ff::/48'],
    backends: [{ address: '2001:db8:3::5', port: 5353, weight: 7, state: 'active', node: 'w1' }],
  };
  const direct: DesiredService = { ...six, mode: 'gue', name: 'direct', frontend: DNS.frontend };
  await applier.apply([direct, six], { ownAddresses: [], deletions: true });
  const snat = {
    ...CONFIG.snat,
    ranges: [...CONFIG.snat.ranges, { first: 0x20010db8_00020000_00000000_00000010n, count: 4, own: false }],
  };
  const names = namesOf(byFrontend(direct, six), { ...CONFIG, snat }, HZ);
  const { maps } = kernel;
  const inspect = inspecting(kernel, names);
  const [one, two] = inspect.services();
  expect(one).toMatchObject({ frontend: '10.1.0.2:53/UDP', mode: 'gue' });
  expect(two).toMatchObject({
    vip: '2001:db8:1::2',
    frontend: '[2001:db8:1::2]:53/UDP',
    mode: 'snat',
    affinity: 'ClientIP',
    hash: '3-tuple',
    sourceRanges: ['2001:db8:ff::/48'],
    backends: [{ address: '2001:db8:3::5', weight: 7, node: 'w1', slots: 251 }],
  });
  expect(inspect.maglev('[2001:db8:1::2]:53/UDP')?.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  const { view, stride, entries } = maps.arrays.backends;
  const ours = Array.from({ length: entries }, (_, i) => i).find((i) => {
    const entry = backend.read(view, i * stride);
    return entry.family === 6 && entry.service === two?.id;
  });
  writeRecord(kernel, 1, {
    client: [0x20010db8, 0, 0, 7],
    vip: [0x20010db8, 0x00010000, 0, 2],
    backend: ours as number,
    state: flowState.FLOW_UDP,
    flags: flowFlag.FLOW_F_V6,
    snatIndex: 4,
    seen: NOW,
  });
  expect(inspect.connections()).toMatchObject([
    {
      client: '[2001:db8::7]:40000',
      frontend: '[2001:db8:1::2]:53/UDP',
      snat: '[2001:db8:2::11]:1025',
      backend: '[2001:db8:3::5]:5353',
      service: 'default/dns',
    },
  ]);
});

test('drops and events: every reason has a name and help', async () => {
  const { inspect } = await setUp({ drop_counters: { 7: 3n }, service_drops: { [32 + 8]: 4n } });
  const { drops, events, services } = inspect().stats();
  expect(drops.map(({ reason }) => reason)).toContain('unknown-port');
  expect([drops.length, events.length]).toEqual([dropReason.DROP_REASONS - 1, eventKind.EVENT_KINDS]);
  expect([...drops, ...events].every(({ help }) => help.length > 20)).toBe(true);
  expect(services).toMatchObject([{ name: 'default/dns', drops: { 'no-backend': 4 } }]);
});

test('the fingerprint of a table is that of its identities, not of its indexes', async () => {
  const one = await setUp();
  const view = one.inspect().maglev('10.1.0.2:53/UDP');
  expect(view?.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  expect(view?.backends.map(({ wanted }) => wanted)).toEqual([251 / 5, (251 * 4) / 5]);
  // The same table, with the backends in other places of the block.
  const kernel = new FakeKernel();
  const applier = applierOn(kernel, { clock });
  const scope = { ownAddresses: [], deletions: true };
  await applier.apply([{ ...DNS, backends: DNS.backends.slice(1) }], scope);
  await applier.apply([DNS], scope);
  const names = namesOf(byFrontend(DNS), CONFIG, HZ);
  const other = inspecting(kernel, names);
  expect(entryOf(kernel, 1)).not.toBe(entryOf(one.kernel, 1));
  expect(other.maglev('10.1.0.2:53/UDP')?.fingerprint).toBe(view?.fingerprint);
  expect(other.maglev('10.1.0.2:54/UDP')).toBeUndefined();
});

test('a service is found by frontend and by name, with port or name of the port', async () => {
  const { inspect } = await setUp();
  const { frontendsOf } = inspect();
  for (const name of ['10.1.0.2:53/UDP', 'default/dns', 'default/dns:53', 'default/dns:dns']) {
    expect(frontendsOf(name)).toEqual(['10.1.0.2:53/UDP']);
  }
  expect(frontendsOf('default/dn')).toEqual([]);
  expect(inspect(unknownNames(HZ)).frontendsOf('/')).toEqual([]);
});
