/** Addresses of both families as the bytes on the wire, and the hashes of docs/packet-path.md over them. */

export type Family = 4 | 6;

/** 4 or 16 bytes. `10.1.0.2` or `2001:db8::1`; throws on anything else. */
export function addressBytes(text: string): Buffer {
  if (!text.includes(':')) {
    const parts = text.split('.').map(Number);
    if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part < 256))) {
      throw new Error(`not an address: ${text}`);
    }
    return Buffer.from(parts);
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = [...front, ...new Array<number>(zeros).fill(0), ...back];
  if (all.length !== 8 || all.some((group) => !(group >= 0 && group < 0x10000))) {
    throw new Error(`not an address: ${text}`);
  }
  const bytes = Buffer.alloc(16);
  all.forEach((group, i) => {
    bytes.writeUInt16BE(group, 2 * i);
  });
  return bytes;
}

export const familyOf = (text: string): Family => (text.includes(':') ? 6 : 4);

/** As the maps have it: four numbers in natural order, IPv4 in the first. */
export function addressWords(text: string): number[] {
  const bytes = Buffer.alloc(16);
  addressBytes(text).copy(bytes);
  return [0, 4, 8, 12].map((at) => bytes.readUInt32BE(at));
}

const WORD = 0xffffffffffffffffn;
const FIRST = 0xff51afd7ed558ccdn;
const SECOND = 0xc4ceb9fe1a85ec53n;
const low32 = (value: bigint): bigint => value & 0xffffffffn;

/** Index words: little-endian loads. */
function indexWords(text: string): [bigint, bigint, bigint, bigint] {
  const bytes = Buffer.alloc(16);
  addressBytes(text).copy(bytes);
  const word = (at: number) => BigInt(bytes.readUInt32LE(at));
  return [word(0), word(4), word(8), word(12)];
}

function foldClient(text: string, seed: bigint): bigint {
  const [a0, a1, a2, a3] = indexWords(text);
  let h = (((a1 << 32n) | a0) ^ seed) * FIRST;
  h &= WORD;
  h ^= h >> 32n;
  h = (h + ((a3 << 32n) | a2)) & WORD;
  h = (h * SECOND) & WORD;
  h ^= h >> 29n;
  return low32(h >> 16n);
}

export interface Flow {
  readonly client: string;
  readonly vip: string;
  readonly clientPort: number;
  readonly vipPort: number;
  /** IP protocol number. */
  readonly protocol: number;
}

export interface HashedBy {
  readonly affinity?: boolean;
  readonly hash3?: boolean;
}

/** 32 bits: which slot, and what varies in the outer header. */
export function hashOf(flow: Flow, seed: bigint, { affinity, hash3 }: HashedBy = {}): number {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(flow.clientPort, 0);
  ports.writeUInt16BE(flow.vipPort, 2);
  const [d0, d1, d2, d3] = indexWords(flow.vip);
  const s = familyOf(flow.client) === 4 ? indexWords(flow.client)[0] : foldClient(flow.client, seed);
  const p = affinity || hash3 ? 0n : BigInt(ports.readUInt32LE(0));
  const d = affinity ? 0n : d0 ^ d1 ^ d2 ^ d3;
  const protocol = affinity ? 0n : BigInt(flow.protocol);
  let h = (((s << 32n) | p) ^ seed) & WORD;
  h = (h * FIRST) & WORD;
  h ^= h >> 32n;
  h = (h + ((d << 32n) | protocol)) & WORD;
  h = (h * SECOND) & WORD;
  h ^= h >> 29n;
  return Number(low32(low32(h >> 16n) * 2654435761n));
}

/** Where the frontend table has a frontend: bucket by the mask of the low half, tag. */
export function frontendHash(vip: string, port: number, protocol: number): { low: number; tag: number } {
  const [a0, a1, a2, a3] = indexWords(vip);
  let a = a0;
  if (familyOf(vip) === 6) {
    const x = ((((a1 << 32n) | a0) * FIRST) & WORD) ^ ((a3 << 32n) | a2);
    a = low32(x ^ (x >> 32n));
  }
  const portWord = BigInt(((port & 0xff) << 8) | (port >> 8));
  const key = a | (portWord << 32n) | (BigInt(protocol) << 48n) | (BigInt(familyOf(vip)) << 56n);
  let h = (key * 0x9e3779b97f4a7c15n) & WORD;
  h ^= h >> 32n;
  return { low: Number(low32(h)), tag: Number(h >> 32n) };
}
