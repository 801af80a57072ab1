import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressNumber } from '../../../src/dataplane/address-number.ts';
import { hashKey } from '../../../src/dataplane/frontend-key.ts';
import { measureHz } from '../../../src/dataplane/jiffies-clock.ts';
import {
  type DataplaneConfig,
  mapSizes,
  programRodata,
  timeoutsInJiffies,
} from '../../../src/dataplane/program-config.ts';
import { packTableWord, sizeClassOf, unpackTableWord } from '../../../src/dataplane/table-word.ts';
import { buildProduct } from '../../../src/kernel/build-directory.ts';
import { flowState, lbConfig } from '../../../src/layout/generated.ts';
import { formatIpv4, parseIpv4 } from '../../../src/net/ipv4.ts';
import { TABLE_SIZES } from '../../../src/services/desired-state.ts';

test('a table word is what it is made of', () => {
  const word = fc.record({
    line: fc.nat(2 ** 24 - 1),
    sizeClass: fc.nat(6),
    order: fc.nat(15),
    block: fc.nat(2 ** 24 - 1),
    generation: fc.nat(255),
  });
  fc.assert(
    fc.property(word, (value) => {
      expect(unpackTableWord(packTableWord(value))).toEqual(value);
    }),
  );
  // Bit by bit as bpf/types.h says.
  expect(packTableWord({ line: 1, sizeClass: 2, order: 3, block: 4, generation: 5 })).toBe(
    0x0500000432000001n,
  );
});

test('size classes count from 1', () => {
  expect(TABLE_SIZES.map(sizeClassOf)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(() => sizeClassOf(4096)).toThrow('251, 1021');
});

test('addresses as the full parser reads them, and nothing else', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (number) => {
      expect(addressNumber(formatIpv4(number))).toBe(parseIpv4(formatIpv4(number)));
    }),
  );
  for (const text of [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1..2.3',
    '1.2.3.',
    'a.b.c.d',
    '1.2.3.4 ',
  ]) {
    expect(() => addressNumber(text)).toThrow('canonical');
  }
});

test('the hash of a frontend, worked out by hand from docs/packet-path.md', () => {
  // 10.1.0.2:53/UDP: a = 0x0200010a, port16 = 0x3500, protocol 17, family 4.
  const key = 0x0411_3500_0200_010an;
  let h = BigInt.asUintN(64, key * 0x9e3779b97f4a7c15n);
  h ^= h >> 32n;
  const { hash, tag } = hashKey({ vip: 0x0a010002, port: 53, protocol: 17 });
  expect(BigInt(hash)).toBe(h & 0xffffffffn);
  expect(BigInt(tag)).toBe(h >> 32n);
});

const config: DataplaneConfig = {
  vips: { ranges: [{ network: 0x0a010000, length: 24 }], device: { name: 'v', kind: 'dummy' }, echo: true },
  mode: 'snat',
  dsr: undefined,
  snat: {
    ranges: [
      { first: 0x0a020010, count: 3, own: false },
      { first: 0x0a030001, count: 1, own: true },
    ],
    ports: { min: 1024, max: 65535 },
    sharedFlows: 1000,
  },
  timeouts: {
    tcpSyn: 5_001,
    tcpEstablished: 7_200_000,
    tcpHalfClosed: 120_000,
    tcpClosed: 60_000,
    udp: 30_000,
    udpReplied: 120_000,
  },
  reject: { unknownPort: true, noBackend: false, noFlow: true, perSecond: 7 },
  limits: { services: 100, backends: 1000, slots: 32_000, nextHops: 256 },
};

test('map sizes follow the configuration', () => {
  expect(mapSizes(config)).toEqual({
    frontends: 128,
    frontend_overflow: 1024,
    services: 217,
    service_counters: 101,
    service_drops: 101 * 32,
    maglev_slots: 1000,
    backends: 2000,
    backend_counters: 2000,
    next_hops: 256,
    flow_records: 4 * 65536 + 1000,
    flows4: 4 * 64512 + 1000 + Math.ceil((4 * 64512 + 1000) / 8),
    snat_shared: 2024,
    snat_extra_keys: 1000,
  });
});

/** Maps of the compiled object, out of its type information. */
function mapsOfObject(file: string): string[] {
  const text = execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', buildProduct(file)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  interface Type {
    readonly id: number;
    readonly kind: string;
    readonly name: string;
    readonly vars?: ReadonlyArray<{ readonly type_id: number }>;
  }
  const { types } = JSON.parse(text) as { types: readonly Type[] };
  const section = types.find(({ kind, name }) => kind === 'DATASEC' && name === '.maps');
  const ids = new Set(section?.vars?.map(({ type_id }) => type_id));
  return types.filter(({ id }) => ids.has(id)).map(({ name }) => name);
}

test.each(['xdp.bpf.o', 'tc.bpf.o'])(
  'every map of %s has a size from the configuration, or needs none',
  (file) => {
    // By CPU, by network device, by an enum of the programs: nothing that the configuration has a say in.
    const fixed = ['snat_cursors', 'egress_devices', 'drop_counters', 'event_counters', 'reject_budgets'];
    expect(mapsOfObject(file).sort()).toEqual([...Object.keys(mapSizes(config)), ...fixed].sort());
  },
);

test('every record that a flow can have has a place in the maps that name it', () => {
  for (const sharedFlows of [0, 1, 65_536, 300_000]) {
    const sizes = mapSizes({ ...config, snat: { ...config.snat, sharedFlows } });
    expect(sizes.snat_extra_keys).toBe(Math.max(1, sharedFlows));
    expect(sizes.flow_records).toBe(4 * 65536 + sharedFlows);
    expect(sizes.snat_shared).toBeGreaterThan(sharedFlows);
  }
});

test('rodata says what the configuration says', () => {
  const facts = { hashSeed: 0xfeedn, hz: 250, cpus: 4 };
  const value = lbConfig.decode(programRodata(config, facts));
  expect(value).toMatchObject({
    hashSeed: 0xfeedn,
    vip4Count: 1,
    snat4Count: 2,
    snatAddresses: 4,
    extraRecords: 1000,
    bucketMask: 127,
    clientNextHopsFirst: 192,
    clientNextHopsMask: 63,
    hz: 250,
    cpus: 4,
    rejectPerSecond: 7,
    answerEcho: 1,
    rejectUnknownPort: 1,
    rejectNoBackend: 0,
    rejectNoFlow: 1,
  });
  expect(value.vip4[0]).toEqual({ network: 0x0a010000, mask: 0xffffff00 });
  expect(value.snat4.slice(0, 2)).toEqual([
    { first: 0x0a020010, count: 3, firstIndex: 0, own: 0 },
    { first: 0x0a030001, count: 1, firstIndex: 3, own: 1 },
  ]);
});

test('timeouts are rounded up to jiffies, one for each state', () => {
  const jiffies = timeoutsInJiffies(config.timeouts, 250);
  expect(jiffies).toHaveLength(flowState.FLOW_STATES);
  expect(jiffies[flowState.FLOW_SYN]).toBe(1251);
  expect(jiffies[flowState.FLOW_FREE]).toBe(0);
  expect(jiffies[flowState.FLOW_FIN_BACKEND]).toBe(30_000);
  expect(timeoutsInJiffies({ ...config.timeouts, udp: 1e12 }, 1000)[flowState.FLOW_UDP]).toBe(0x7fffffff);
});

test.each([100, 250, 300, 1000])('HZ %i is recognised, also across the wrap of the clock', async (hz) => {
  const time = madeUpTime();
  const jiffies = () => (0xffffffff - 10 + Math.floor((time.now() * hz) / 1000)) >>> 0;
  expect(await measureHz(jiffies, time)).toBe(hz);
});

test('a clock that stands still is refused', async () => {
  await expect(measureHz(() => 5, madeUpTime())).rejects.toThrow('0.0 times a second');
});

/** Sleeps take no time, and a little longer than asked for. */
function madeUpTime() {
  let ms = 5.6;
  return {
    now: () => ms,
    sleep: async (duration: number) => {
      ms += duration + 1.3;
    },
  };
}
