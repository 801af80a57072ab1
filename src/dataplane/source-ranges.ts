/**
 * Which clients a service has, in the map source_ranges. Entries are there before the service's flag says
 * so, and go after it is gone, so that no client is shut out in between.
 */
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import { sourceRangeKey } from '../layout/generated.ts';
import { addressOfWords, familyOf, wordsOf } from '../net/address.ts';
import { formatPrefix, parsePrefix } from '../net/prefix.ts';
import type { Stores } from './stores.ts';

/** Bits of a key before the address: service and family. */
const BITS_BEFORE_ADDRESS = 64;

export interface SourceRange {
  /** Index of the service entry. */
  readonly service: number;
  /** `192.0.2.0/24` */
  readonly range: string;
}

export function readSourceRanges(map: BpfMap, kernel: Pick<Kernel, 'entries'>): SourceRange[] {
  return kernel.entries(map).map(({ key }) => {
    const { prefixLength, service, family, addr } = sourceRangeKey.decode(key);
    const length = prefixLength - BITS_BEFORE_ADDRESS;
    return { service, range: formatPrefix({ network: addressOfWords(addr, family), length }) };
  });
}

export class SourceRangeTable {
  readonly #map: BpfMap;
  #used: number;

  constructor(map: BpfMap, used: number) {
    this.#map = map;
    this.#used = used;
  }

  get capacity(): number {
    return this.#map.maxEntries;
  }

  get used(): number {
    return this.#used;
  }

  /** The range must not be there yet. */
  add(stores: Stores, range: SourceRange): void {
    stores.put(this.#map, encode(range), Uint8Array.of(1, 0, 0, 0));
    this.#used += 1;
  }

  remove(stores: Stores, range: SourceRange): void {
    stores.remove(this.#map, encode(range));
    this.#used -= 1;
  }
}

function encode({ service, range }: SourceRange): Uint8Array {
  const prefix = parsePrefix(range);
  if (prefix === undefined) throw new RangeError(`${JSON.stringify(range)} is no CIDR`);
  return sourceRangeKey.encode({
    prefixLength: BITS_BEFORE_ADDRESS + prefix.length,
    service,
    family: familyOf(prefix.network),
    addr: [...wordsOf(prefix.network)],
  });
}
