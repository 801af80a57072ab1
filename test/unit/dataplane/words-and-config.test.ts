import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressNumber } from '../../../src/dataplane/address-number.ts';
import { decodeKey, encodeKey, formatKey, hashKey, keyNumber } from '../../../src/dataplane/frontend-key.ts';
import { measureHz } from '../../../src/dataplane/jiffies-clock.ts';
import { outerChecksum } from '../../../src/dataplane/outer-checksum.ts';
import {
  type DataplaneConfig,
  mapSizes,
  programRodata,
  timeoutsInJiffies,
} from '../../../src/dataplane/program-config.ts';
import { modeOfFlags, serviceFlags } from '../../../src/dataplane/service-flags.ts';
import { packTableWord, sizeClassOf, unpackTableWord } from '../../../src/dataplane/table-word.ts';
import { buildProduct } from '../../../src/kernel/build-directory.ts';
import { flowState, lbConfig } from '../../../src/layout/generated.ts';
import { formatIpv4, parseIpv4 } from '../../../src/net/ipv4.ts';
import { type DesiredService, SERVICE_MODES, TABLE_SIZES } from '../../../src/services/desired-state.ts';

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

test('the hash of an IPv6 frontend, worked out by hand from docs/packet-path.md', () => {
  // [2001:db8::2]:443/TCP: a0 = 0xb80d0120, a1 = a2 = 0, a3 = 0x02000000; port16 = 0xbb01.
  const x = BigInt.asUintN(64, 0xb80d0120n * 0xff51afd7ed558ccdn) ^ (0x02000000n << 32n);
  const a = (x ^ (x >> 32n)) & 0xffffffffn;
  let h = BigInt.asUintN(64, ((0x0606_bb01n << 32n) | a) * 0x9e3779b97f4a7c15n);
  h ^= h >> 32n;
  const { hash, tag } = hashKey({ vip: 0x20010db8_00000000_00000000_00000002n, port: 443, protocol: 6 });
  expect(BigInt(hash)).toBe(h & 0xffffffffn);
  expect(BigInt(tag)).toBe(h >> 32n);
});

test('keys of both families: text, bytes and back, and no two alike', () => {
  const address = fc.oneof(fc.nat(0xffffffff), fc.bigInt(0n, 2n ** 128n - 1n));
  const key = fc.record({ vip: address, port: fc.nat(65535), protocol: fc.constantFrom(6, 17) });
  fc.assert(
    fc.property(key, key, (one, other) => {
      expect(decodeKey(encodeKey(one))).toEqual(one);
      const same = one.vip === other.vip && one.port === other.port && one.protocol === other.protocol;
      expect(keyNumber(one) === keyNumber(other)).toBe(same);
    }),
  );
  const six = { vip: 0x20010db8_00000000_00000000_00000002n, port: 443, protocol: 6 };
  expect(formatKey(six)).toBe('[2001:db8::2]:443/TCP');
  expect(formatKey({ ...six, port: 0, protocol: 0 })).toBe('2001:db8::2');
});

test('the outer checksum is the sum of a whole header, less what varies', () => {
  const tunnel = fc.record({
    mode: fc.constantFrom('ipip' as const, 'gue' as const),
    inner: fc.constantFrom(4 as const, 6 as const),
    backend: fc.nat(0xffffffff),
    source: fc.nat(0xffffffff),
  });
  fc.assert(
    fc.property(tunnel, fc.nat(255), fc.nat(0xffff), (outer, tos, length) => {
      const protocol = outer.mode === 'gue' ? 17 : outer.inner === 4 ? 4 : 41;
      const header = Buffer.from([
        0x45,
        tos,
        0,
        0,
        0,
        0,
        0x40,
        0,
        64,
        protocol,
        0,
        0,
        ...new Array(8).fill(0),
      ]);
      header.writeUInt16BE(length, 2);
      header.writeUInt32BE(outer.source, 12);
      header.writeUInt32BE(outer.backend, 16);
      // As a program ends it: TOS and length added, folded, complemented, written back.
      let sum = outerChecksum(outer) + header.readUInt16LE(2) + (tos << 8);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      header.writeUInt16LE(~sum & 0xffff, 10);
      let check = 0;
      for (let at = 0; at < 20; at += 2) check += header.readUInt16BE(at);
      while (check > 0xffff) check = (check & 0xffff) + (check >>> 16);
      expect(check).toBe(0xffff);
    }),
  );
  const rest = { inner: 4, backend: 0x0a000001, source: 0 } as const;
  expect(outerChecksum({ ...rest, mode: 'snat' })).toBe(0);
  expect(outerChecksum({ ...rest, mode: 'l2' })).toBe(0);
  expect(outerChecksum({ ...rest, mode: 'ipip', backend: 1n })).toBe(0);
});

test('flags of a service', () => {
  const plain = { mode: 'snat' } as DesiredService;
  expect(serviceFlags(plain)).toBe(0);
  expect(serviceFlags({ ...plain, mode: 'gue', affinity: { timeout: 1 } })).toBe(2 + 4);
  expect(serviceFlags({ ...plain, mode: 'l2', hash3: true, sourceRanges: [] })).toBe(3 + 8 + 16);
  for (const mode of SERVICE_MODES)
    expect(modeOfFlags(serviceFlags({ ...plain, mode, hash3: true }))).toBe(mode);
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

const FACTS = { cpus: 3 };

test('map sizes follow the configuration', () => {
  expect(mapSizes(config, FACTS)).toEqual({
    frontends: 128,
    frontend_overflow: 1024,
    services: 217,
    service_counters: 101,
    service_drops: 101 * 32,
    maglev_slots: 1000,
    backends: 2000,
    traffic_in: 3 * 2000,
    traffic_out: 3 * 2000,
    next_hops: 256,
    flow_records: 4 * 65536 + 1000,
    flows4: 4 * 64512 + 1000 + Math.ceil((4 * 64512 + 1000) / 8),
    flows6: 1,
    remembered4: 1,
    remembered6: 1,
    recent4: 16,
    remember_budgets: 1,
    fragments: 16_384,
    source_ranges: 65_536,
    snat_shared: 2024,
    snat_extra_keys: 1000,
  });
});

const DUAL: DataplaneConfig = {
  ...config,
  vips: {
    ...config.vips,
    ranges: [...config.vips.ranges, { network: 0x20010db8_00010000_00000000_00000000n, length: 60 }],
  },
  mode: 'gue',
  dsr: {
    source: [
      { network: 0x0a040000, length: 16 },
      { network: 0x20010db8_00040000_00000000_00000000n, length: 112 },
    ],
    guePort: 6635,
    window: { tcp: 0, udp: 0 },
    rememberedFlows: 500,
    rememberPerSecond: 70,
  },
  snat: {
    ...config.snat,
    ranges: [
      ...config.snat.ranges,
      { first: 0x20010db8_00020000_00000000_fffffff0n, count: 2, own: false },
      { first: 0x20010db8_00030000_00000000_00000001n, count: 1, own: true },
    ],
  },
};

test('what is not configured costs one entry; families and DSR have what they need', () => {
  const four = 4 * 64512 + 1000;
  const six = 3 * 64512 + 1000;
  expect(mapSizes(DUAL, FACTS)).toMatchObject({
    flow_records: 7 * 65536 + 1000,
    flows4: four + Math.ceil(four / 8),
    flows6: six + Math.ceil(six / 8),
    remembered4: 500,
    remembered6: 500,
    recent4: 256,
    remember_budgets: 101,
  });
  const direct = { ...DUAL, snat: { ...config.snat, ranges: [], sharedFlows: 0 } };
  expect(mapSizes(direct, FACTS)).toMatchObject({
    flow_records: 1,
    flows4: 1,
    flows6: 1,
    snat_extra_keys: 1,
  });
});

test('rodata of both families, and of outer headers', () => {
  const value = lbConfig.decode(programRodata(DUAL, { hashSeed: 1n, hz: 250, cpus: 4 }));
  expect(value).toMatchObject({
    vip4Count: 1,
    vip6Count: 1,
    snat4Count: 2,
    snat6Count: 2,
    snatAddresses: 7,
    snat4Addresses: 4,
    guePort: 6635,
    defaultMode: 2,
    rememberPerSecond: 70,
    outer4: { network: 0x0a040000, mask: 0xffff0000 },
    outer6: {
      network: [0x20010db8, 0x00040000, 0, 0],
      mask: [0xffffffff, 0xffffffff, 0xffffffff, 0xffff0000],
    },
  });
  expect(value.vip6[0]).toEqual({
    network: [0x20010db8, 0x00010000, 0, 0],
    mask: [0xffffffff, 0xfffffff0, 0, 0],
  });
  expect(value.snat6.slice(0, 2)).toEqual([
    { prefix: [0x20010db8, 0x00020000, 0], first: 0xfffffff0, count: 2, firstIndex: 4, own: 0, reserved: 0 },
    { prefix: [0x20010db8, 0x00030000, 0], first: 1, count: 1, firstIndex: 6, own: 1, reserved: 0 },
  ]);
  const plain = lbConfig.decode(programRodata(config, { hashSeed: 1n, hz: 250, cpus: 4 }));
  expect(plain).toMatchObject({
    defaultMode: 0,
    vip6Count: 0,
    snat6Count: 0,
    outer4: { network: 0, mask: 0xffffffff },
    rememberPerSecond: 0,
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
    const fixed = [
      'snat_cursors',
      'egress_devices',
      'drop_counters',
      'event_counters',
      'answer_budgets',
      'scratches',
    ];
    expect(mapsOfObject(file).sort()).toEqual([...Object.keys(mapSizes(config, FACTS)), ...fixed].sort());
  },
);

test('every record that a flow can have has a place in the maps that name it', () => {
  for (const sharedFlows of [0, 1, 65_536, 300_000]) {
    const sizes = mapSizes({ ...config, snat: { ...config.snat, sharedFlows } }, FACTS);
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
