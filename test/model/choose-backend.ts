/** docs/packet-path.md, section 6: flow hash, slot, backend. */
import { indexWord } from './bytes.ts';
import type { Service } from './state.ts';

const U64 = (1n << 64n) - 1n;

/** 32 bits. Addresses and ports as numbers. */
export function flowHash(
  seed: bigint,
  client: number,
  vip: number,
  clientPort: number,
  vipPort: number,
  protocol: number,
): number {
  const s = BigInt(indexWord(client));
  const d = BigInt(indexWord(vip));
  const p = BigInt(indexWord(((clientPort << 16) | vipPort) >>> 0));
  let h = ((s << 32n) | p) ^ seed;
  h = (h * 0xff51afd7ed558ccdn) & U64;
  h ^= h >> 32n;
  h = (h + ((d << 32n) | BigInt(protocol))) & U64;
  h = (h * 0xc4ceb9fe1a85ec53n) & U64;
  h ^= h >> 29n;
  return Number((((h >> 16n) & 0xffffffffn) * 2654435761n) & 0xffffffffn);
}

const SLOT_BACKEND = 0x7fff;

/** Index of the backend that the service's table names for a hash; undefined: the service has no table. */
export function backendIndex({ table }: Service, hash: number): number | undefined {
  if (table === undefined) return undefined;
  const slot = Number((BigInt(hash) * BigInt(table.slots.length)) >> 32n);
  return table.block + ((table.slots[slot] ?? 0) & SLOT_BACKEND);
}
