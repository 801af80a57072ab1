/** What the pools have, and the order in which it is given. No I/O. */
import type { AddressPool } from '../config/config.ts';
import { compareAddresses, type Family, familyOf, type IpAddress } from '../net/address.ts';
import { type AddressSpan, spanContains, spanSize } from '../net/address-span.ts';
import { addressAfter, deviceAddressOf, lastAddressOf, type Prefix, prefixContains } from '../net/prefix.ts';

/** How much of a pool is given, of one family. */
export interface PoolUse {
  readonly pool: string;
  readonly family: Family;
  /** Of large IPv6 pools only about. */
  readonly size: number;
  readonly used: number;
}

export class AddressPools {
  readonly #pools: readonly AddressPool[];
  readonly #ranges: readonly Prefix[];
  /** Where to go on looking: what is before it is held. */
  readonly #next = new Map<AddressSpan, IpAddress>();

  /** `ranges`: those of the VIPs. */
  constructor(pools: readonly AddressPool[], ranges: readonly Prefix[]) {
    this.#pools = pools;
    this.#ranges = ranges;
  }

  /** A frontend can have it. */
  isVip(address: IpAddress): boolean {
    const range = this.#rangeOf(address);
    return range !== undefined && deviceAddressOf(range) !== address;
  }

  has(name: string): boolean {
    return this.#pools.some((pool) => pool.name === name);
  }

  poolOf(address: IpAddress): string | undefined {
    return this.#pools.find(({ addresses }) => addresses.some((span) => spanContains(span, address)))?.name;
  }

  get families(): Family[] {
    const spans = this.#pools.flatMap(({ addresses }) => addresses);
    return [...new Set(spans.map(({ first }) => familyOf(first)))].sort();
  }

  /** Whether anything could be had, were nothing held. */
  hasFamily(family: Family, pool: string | undefined): boolean {
    return this.#spans(family, pool).length > 0;
  }

  /** The first of the addresses by the order of pools; those in none of them are left out. */
  inOrder(addresses: readonly IpAddress[], family: Family, pool: string | undefined): IpAddress[] {
    const sorted = [...addresses].sort(compareAddresses);
    return this.#spans(family, pool).flatMap((span) => sorted.filter((each) => spanContains(span, each)));
  }

  /** The first that is not held. What was held once must stay so while this object is used. */
  firstFree(
    family: Family,
    pool: string | undefined,
    isHeld: (address: IpAddress) => boolean,
  ): IpAddress | undefined {
    for (const span of this.#spans(family, pool)) {
      let address = this.#next.get(span) ?? span.first;
      while (address <= span.last && (isHeld(address) || !this.#isGivenUnasked(address))) {
        address = addressAfter(address, 1);
      }
      this.#next.set(span, address);
      if (address <= span.last) return address;
    }
    return undefined;
  }

  use(held: readonly IpAddress[]): PoolUse[] {
    return this.#pools.flatMap(({ name, addresses }) =>
      ([4, 6] as const).flatMap((family) => {
        const spans = addresses.filter(({ first }) => familyOf(first) === family);
        if (spans.length === 0) return [];
        const used = held.filter((address) => spans.some((span) => spanContains(span, address))).length;
        const size = spans.reduce((sum, span) => sum + spanSize(span), 0);
        return [{ pool: name, family, size, used }];
      }),
    );
  }

  #spans(family: Family, pool: string | undefined): AddressSpan[] {
    return this.#pools
      .filter(({ name, automatic }) => (pool === undefined ? automatic : name === pool))
      .flatMap(({ addresses }) => addresses.filter(({ first }) => familyOf(first) === family));
  }

  #rangeOf(address: IpAddress): Prefix | undefined {
    return this.#ranges.find((range) => prefixContains(range, address));
  }

  /** Some clients take the first and last address of a network for no host's. */
  #isGivenUnasked(address: IpAddress): boolean {
    const range = this.#rangeOf(address);
    if (range === undefined || !this.isVip(address)) return false;
    if (deviceAddressOf(range) === undefined) return true;
    return address !== range.network && !(familyOf(address) === 4 && address === lastAddressOf(range));
  }
}
