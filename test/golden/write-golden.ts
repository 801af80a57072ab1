/** Makes the golden vectors: run once, and again only for values that are new. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { identityOf } from '../../src/maglev/backend-identity.ts';
import { buildTable } from '../../src/maglev/build-table.ts';
import { type FlowTuple, flowHash, type HashedPart, slotOf } from '../../src/maglev/flow-hash.ts';
import { hashIdentity } from '../../src/maglev/hash-identity.ts';
import { parseAddress } from '../../src/net/address.ts';
import { TABLE_SIZES } from '../../src/services/desired-state.ts';
import { referenceTable } from '../model/maglev-reference.ts';

export interface FlowVectors {
  /** seed: decimal; flow: numbers in natural order; slots: by table size. */
  readonly vectors: ReadonlyArray<{
    readonly seed: string;
    readonly flow: FlowTuple;
    readonly hash: number;
    readonly slots: Readonly<Record<string, number>>;
  }>;
}

/** Of both families: IPv6, and IPv4 where not the whole tuple is hashed. Addresses as text. */
export interface PartVectors {
  readonly vectors: ReadonlyArray<{
    readonly seed: string;
    readonly flow: {
      readonly client: string;
      readonly vip: string;
      readonly clientPort: number;
      readonly vipPort: number;
      readonly protocol: number;
    };
    readonly part: HashedPart;
    readonly hash: number;
  }>;
}

/** IPv6 identities. */
export interface IdentityVectors {
  readonly identities: ReadonlyArray<{
    readonly address: string;
    readonly port: number;
    readonly protocol: number;
    readonly words: readonly string[];
  }>;
}

/** Throws when the text is no address. */
export function addressOf(text: string) {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

export interface TableVectors {
  readonly identities: ReadonlyArray<{
    readonly address: number;
    readonly port: number;
    readonly protocol: number;
    readonly words: readonly string[];
  }>;
  readonly tables: readonly GoldenTable[];
}

/** Backends are 10.0.0.1, 10.0.0.2, ... port 80, TCP. */
export interface GoldenTable {
  readonly slots: number;
  readonly weights: readonly number[];
  /** Owners of the first slots, as indexes into the weights. */
  readonly first: readonly number[];
  /** SHA-256 over all owners as little-endian 16-bit numbers. */
  readonly sha256: string;
}

export function goldenTable(
  build: Kernel['buildMaglevTable'],
  slots: number,
  weights: readonly number[],
): GoldenTable {
  const members = weights.map((weight, i) => ({ identity: identityOf(0x0a000001 + i, 80, 6), weight }));
  const owners = buildTable(build, members, slots)?.owners ?? new Uint16Array();
  const bytes = Buffer.alloc(owners.length * 2);
  owners.forEach((owner, slot) => {
    bytes.writeUInt16LE(owner, slot * 2);
  });
  return {
    slots,
    weights,
    first: [...owners.subarray(0, 16)],
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

function flowVectors(): FlowVectors {
  const seeds = [0n, 1n, 0x0123456789abcdefn, 0xffffffffffffffffn];
  const flows: FlowTuple[] = [
    { client: 0, vip: 0, clientPort: 0, vipPort: 0, protocol: 0 },
    { client: 0xc0000207, vip: 0x0a010002, clientPort: 40000, vipPort: 53, protocol: 17 },
    { client: 0xc0000207, vip: 0x0a010002, clientPort: 40000, vipPort: 53, protocol: 6 },
    { client: 0xc0000207, vip: 0x0a010002, clientPort: 40001, vipPort: 53, protocol: 6 },
    { client: 0xc0000208, vip: 0x0a010002, clientPort: 40000, vipPort: 53, protocol: 6 },
    { client: 0xffffffff, vip: 0xffffffff, clientPort: 65535, vipPort: 65535, protocol: 255 },
  ];
  return {
    vectors: seeds.flatMap((seed) =>
      flows.map((flow) => {
        const hash = flowHash(flow, seed);
        const slots = Object.fromEntries(TABLE_SIZES.map((size) => [size, slotOf(hash, size)]));
        return { seed: String(seed), flow, hash, slots };
      }),
    ),
  };
}

function partVectors(): PartVectors {
  const flows = [
    { client: '2001:db8::7', vip: '2001:db8:1::2', clientPort: 40000, vipPort: 53, protocol: 17 },
    { client: '2001:db8::8', vip: '2001:db8:1::2', clientPort: 40000, vipPort: 53, protocol: 17 },
    { client: '2001:db8:0:1::7', vip: '2001:db8:1::2', clientPort: 40000, vipPort: 53, protocol: 17 },
    { client: '2001:db8::7', vip: '2001:db8:1::3', clientPort: 40000, vipPort: 443, protocol: 6 },
    { client: 'fd12:3456:789a:bcde:f012:3456:789a:bcde', vip: '::', clientPort: 1, vipPort: 2, protocol: 6 },
    {
      client: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
      vip: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe',
      clientPort: 65535,
      vipPort: 65535,
      protocol: 255,
    },
    { client: '192.0.2.7', vip: '10.1.0.2', clientPort: 40000, vipPort: 53, protocol: 17 },
  ];
  const seeds = [0n, 0x0123456789abcdefn, 0xffffffffffffffffn];
  return {
    vectors: seeds.flatMap((seed) =>
      flows.flatMap((flow) =>
        (['tuple', 'addresses', 'client'] as const).map((part) => {
          const tuple = { ...flow, client: addressOf(flow.client), vip: addressOf(flow.vip) };
          return { seed: String(seed), flow, part, hash: flowHash(tuple, seed, part) };
        }),
      ),
    ),
  };
}

function identityVectors(): IdentityVectors {
  const identities = [
    ['2001:db8:3::1', 80, 6],
    ['2001:db8:3::1', 80, 17],
    ['2001:db8:3::1', 81, 6],
    ['2001:db8:3::2', 80, 6],
    ['2001:db8:3:1::1', 80, 6],
    ['::a00:1', 80, 6],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 65535, 255],
  ] as const;
  return {
    identities: identities.map(([address, port, protocol]) => ({
      address,
      port,
      protocol,
      words: hashIdentity(identityOf(addressOf(address), port, protocol)).map(String),
    })),
  };
}

function tableVectors(): TableVectors {
  const identities = [
    [0x0a000001, 80, 6],
    [0x0a000001, 80, 17],
    [0x0a000001, 81, 6],
    [0x0a000002, 80, 6],
    [0xffffffff, 65535, 255],
  ] as const;
  return {
    identities: identities.map(([address, port, protocol]) => ({
      address,
      port,
      protocol,
      words: hashIdentity(identityOf(address, port, protocol)).map(String),
    })),
    tables: [
      goldenTable(referenceTable, 251, [1]),
      goldenTable(referenceTable, 251, [1, 1, 1]),
      goldenTable(referenceTable, 251, [5, 0, 1, 100]),
      goldenTable(referenceTable, 4099, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
      goldenTable(
        referenceTable,
        65_537,
        Array.from({ length: 100 }, (_, i) => 1 + (i % 10)),
      ),
    ],
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const write = (name: string, value: object): void =>
    writeFileSync(new URL(`./${name}.json`, import.meta.url), `${JSON.stringify(value, undefined, 2)}\n`);
  write('flow-hash', flowVectors());
  write('flow-hash-parts', partVectors());
  write('identity-ipv6', identityVectors());
  write('maglev-table', tableVectors());
}
