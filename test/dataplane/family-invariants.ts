/** The parts of the invariants that know of families, modes and source ranges; from bytes alone. */
import type { DataplaneMaps } from '../../src/dataplane/maps.ts';
import type { BpfMap } from '../../src/kernel/kernel.ts';
import { type Backend, frontendKey, type Service, sourceRangeKey } from '../../src/layout/generated.ts';

interface Entries {
  entries(map: BpfMap): Array<{ key: Buffer; value: Buffer }>;
}

/** `167837698:53/17`; of IPv6 the four words. */
export function nameOfKey({ addr, port, protocol, family }: Service['key']): string {
  return `${family === 4 ? addr[0] : addr.join('.')}:${port}/${protocol}`;
}

/** Bucket and tag by docs/packet-path.md, section 6. */
export function placeOf(key: Service['key'], buckets: number): { bucket: number; tag: bigint } {
  const bytes = Buffer.from(frontendKey.encode(key));
  const word =
    addressWord(bytes, key.family) |
    (BigInt(bytes.readUInt16LE(16)) << 32n) |
    (BigInt(key.protocol) << 48n) |
    (BigInt(key.family) << 56n);
  let hash = BigInt.asUintN(64, word * 0x9e3779b97f4a7c15n);
  hash ^= hash >> 32n;
  return { bucket: Number(hash & BigInt(buckets - 1)), tag: hash >> 32n };
}

function addressWord(bytes: Buffer, family: number): bigint {
  if (family === 4) return BigInt(bytes.readUInt32LE(0));
  const x = BigInt.asUintN(64, bytes.readBigUInt64LE(0) * 0xff51afd7ed558ccdn) ^ bytes.readBigUInt64LE(8);
  return (x ^ (x >> 32n)) & 0xffffffffn;
}

/**
 * Throws when a tunnel's entry has a sum that is of neither tunnel mode. Between the two modes entries
 * change before the mode does.
 */
export function checkStamp(index: number, entry: Backend, owner: Service, source: number): void {
  const mode = owner.flags & 3;
  if (mode !== 1 && mode !== 2) return;
  const inner = owner.key.family === 4 ? 4 : 41;
  const allowed = entry.family === 4 ? [headerSum(entry, source, inner), headerSum(entry, source, 17)] : [0];
  if (!allowed.includes(entry.outerChecksum)) {
    throw new Error(`backend ${index} has the outer checksum ${entry.outerChecksum}, not ${allowed}`);
  }
}

/** Over the bytes of the outer header, as a little-endian machine loads them. */
function headerSum(entry: Backend, source: number, protocol: number): number {
  const header = Buffer.from([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(source, 12);
  header.writeUInt32BE(entry.addr[0] as number, 16);
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16LE(at);
  return (sum % 0xffff || (sum === 0 ? 0 : 0xffff)) & 0xffff;
}

/** Source ranges by index of the service, sorted. */
export function sourcesOf(maps: DataplaneMaps, kernel: Entries): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const { key } of kernel.entries(maps.others.source_ranges)) {
    const { service, family, addr, prefixLength } = sourceRangeKey.decode(key);
    const text = `${family} ${addr.join('.')}/${prefixLength - 64}`;
    found.set(service, [...(found.get(service) ?? []), text].sort());
  }
  return found;
}
