/**
 * The flow hash of docs/packet-path.md, section 6, from a flow's key as it lies in the maps, for walks over
 * many of them: no bigints.
 */
import { serviceFlag } from '../layout/generated.ts';
import { add, multiply, type Word } from './word64.ts';

/** Where a key has its parts, in bytes. */
export interface FlowKeyOffsets {
  readonly client: number;
  readonly vip: number;
  readonly clientPort: number;
  readonly protocol: number;
}

/** seed: the node's hash seed, 64 bits. */
export class ServiceHash {
  readonly #seed: Word;
  readonly #word: Word = { high: 0, low: 0 };

  constructor(seed: bigint) {
    this.#seed = { high: Number(seed >> 32n) >>> 0, low: Number(seed & 0xffffffffn) };
  }

  /** 32 bits, as the programs compute them for a service with these flags. `at`: where the key begins. */
  of(keys: DataView, at: number, family: number, offsets: FlowKeyOffsets, flags: number): number {
    const word = (offset: number): number => keys.getUint32(at + offset, true);
    const from = family === 4 ? word(offsets.client) : this.#foldClient(keys, at + offsets.client);
    if ((flags & serviceFlag.SERVICE_F_AFFINITY) !== 0) return this.#mix(from, 0, 0, 0);
    const ports = (flags & serviceFlag.SERVICE_F_HASH3) !== 0 ? 0 : word(offsets.clientPort);
    let to = word(offsets.vip);
    if (family !== 4) to ^= word(offsets.vip + 4) ^ word(offsets.vip + 8) ^ word(offsets.vip + 12);
    return this.#mix(from, to >>> 0, ports, word(offsets.protocol));
  }

  #mix(client: number, vip: number, ports: number, protocol: number): number {
    const hash = this.#word;
    hash.high = (client ^ this.#seed.high) >>> 0;
    hash.low = (ports ^ this.#seed.low) >>> 0;
    multiply(hash, 0xff51afd7, 0xed558ccd);
    hash.low = (hash.low ^ hash.high) >>> 0;
    add(hash, vip, protocol);
    return Math.imul(finish(hash), 2654435761) >>> 0;
  }

  #foldClient(view: DataView, at: number): number {
    const hash = this.#word;
    hash.high = (view.getUint32(at + 4, true) ^ this.#seed.high) >>> 0;
    hash.low = (view.getUint32(at, true) ^ this.#seed.low) >>> 0;
    multiply(hash, 0xff51afd7, 0xed558ccd);
    hash.low = (hash.low ^ hash.high) >>> 0;
    add(hash, view.getUint32(at + 12, true), view.getUint32(at + 8, true));
    return finish(hash);
  }
}

/** The second multiplication, and bits 16 to 47 of the result. */
function finish(hash: Word): number {
  multiply(hash, 0xc4ceb9fe, 0x1a85ec53);
  const low = (hash.low ^ ((hash.high << 3) | (hash.low >>> 29))) >>> 0;
  const high = (hash.high ^ (hash.high >>> 29)) >>> 0;
  return ((high << 16) | (low >>> 16)) >>> 0;
}
