/** docs/packet-path.md, section 6: flow hash, slot, backend. */
import { type Address, indexWord, indexWords, isV6 } from './bytes.ts';
import type { Service } from './state.ts';

const U64 = (1n << 64n) - 1n;
const FIRST = 0xff51afd7ed558ccdn;
const SECOND = 0xc4ceb9fe1a85ec53n;

/** What a service's hash leaves out. */
export interface HashedParts {
  readonly affinity?: boolean;
  readonly hash3?: boolean;
}

/** 32 bits. Ports as numbers. */
export function flowHash(
  seed: bigint,
  client: Address,
  vip: Address,
  clientPort: number,
  vipPort: number,
  protocol: number,
  { affinity = false, hash3 = false }: HashedParts = {},
): number {
  const s = BigInt(isV6(client) ? foldClient(seed, client) : indexWord(client));
  const d = affinity ? 0n : BigInt(indexWords(vip).reduce((all, word) => (all ^ word) >>> 0, 0));
  const ports = affinity || hash3 ? 0 : ((clientPort << 16) | vipPort) >>> 0;
  let h = ((s << 32n) | BigInt(indexWord(ports))) ^ seed;
  h = (h * FIRST) & U64;
  h ^= h >> 32n;
  h = (h + ((d << 32n) | BigInt(affinity ? 0 : protocol))) & U64;
  h = (h * SECOND) & U64;
  h ^= h >> 29n;
  return Number((((h >> 16n) & 0xffffffffn) * 2654435761n) & 0xffffffffn);
}

function foldClient(seed: bigint, client: bigint): number {
  const [a0 = 0, a1 = 0, a2 = 0, a3 = 0] = indexWords(client);
  let h = ((BigInt(a1) << 32n) | BigInt(a0)) ^ seed;
  h = (h * FIRST) & U64;
  h ^= h >> 32n;
  h = (h + ((BigInt(a3) << 32n) | BigInt(a2))) & U64;
  h = (h * SECOND) & U64;
  h ^= h >> 29n;
  return Number((h >> 16n) & 0xffffffffn);
}

/** Whose packets those of a flow are: the tuple as the client sends it. */
export interface FlowTuple {
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
}

export const hashOf = (seed: bigint, tuple: FlowTuple, { hashed }: Pick<Service, 'hashed'>): number =>
  flowHash(
    seed,
    tuple.source,
    tuple.destination,
    tuple.sourcePort,
    tuple.destinationPort,
    tuple.protocol,
    hashed,
  );

const SLOT_BACKEND = 0x7fff;

/** Index of the backend that the service's table names for a hash; undefined: the service has no table. */
export function backendIndex({ table }: Service, hash: number): number | undefined {
  if (table === undefined) return undefined;
  const slot = Number((BigInt(hash) * BigInt(table.slots.length)) >> 32n);
  return table.block + ((table.slots[slot] ?? 0) & SLOT_BACKEND);
}
