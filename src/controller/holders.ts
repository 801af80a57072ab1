/** Who has which address. No I/O. */
import type { IpAddress } from '../net/address.ts';
import type { Wish } from './wishes.ts';

export type Holder = Pick<Wish, 'key' | 'sharingKey' | 'ports'>;

export class Holders {
  readonly #of = new Map<IpAddress, Holder[]>();
  readonly #bySharingKey = new Map<string, Set<IpAddress>>();

  add(address: IpAddress, holder: Holder): void {
    const present = this.#of.get(address);
    if (present === undefined) this.#of.set(address, [holder]);
    else present.push(holder);
    if (holder.sharingKey === undefined) return;
    const shared = this.#bySharingKey.get(holder.sharingKey);
    if (shared === undefined) this.#bySharingKey.set(holder.sharingKey, new Set([address]));
    else shared.add(address);
  }

  isHeld(address: IpAddress): boolean {
    return this.#of.has(address);
  }

  /** Another one with whom the address cannot be shared; `port` if only a port of both keeps them apart. */
  obstacle(
    address: IpAddress,
    { key, sharingKey, ports }: Holder,
  ): { readonly key: string; readonly port?: string } | undefined {
    for (const other of this.#of.get(address) ?? []) {
      if (other.key === key) continue;
      if (sharingKey === undefined || other.sharingKey !== sharingKey) return { key: other.key };
      const port = [...ports].find((each) => other.ports.has(each));
      if (port !== undefined) return { key: other.key, port };
    }
    return undefined;
  }

  /** Addresses of which somebody with this key has one. */
  sharedBy(sharingKey: string): readonly IpAddress[] {
    return [...(this.#bySharingKey.get(sharingKey) ?? [])];
  }

  get addresses(): readonly IpAddress[] {
    return [...this.#of.keys()];
  }
}
