/** What was brought into the maps last, so that the next time only the difference is looked at. */
import type { IpAddress } from '../net/address.ts';
import type { DesiredService } from '../services/desired-state.ts';
import { type ListChanges, listChanges } from '../services/list-changes.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import type { ApplyScope } from './apply.ts';
import { keyOfService } from './frontend-key.ts';

export class LastWish {
  #services: readonly DesiredService[];
  readonly #scope: ApplyScope;
  /** Services of each VIP. */
  readonly #vips = new Map<IpAddress, number>();

  /** All of it is in the maps, and all that was there before is gone. */
  static of(services: readonly DesiredService[], scope: ApplyScope): Promise<LastWish> {
    const wish = new LastWish(services, scope);
    return runInSlices(wish.#countAll());
  }

  private constructor(services: readonly DesiredService[], scope: ApplyScope) {
    this.#services = services;
    this.#scope = scope;
  }

  *#countAll(): Generator<void, this> {
    for (const service of this.#services) {
      this.#count(service, 1);
      yield;
    }
    return this;
  }

  /** Undefined: everything has to be compared. */
  difference(
    services: readonly DesiredService[],
    scope: ApplyScope,
  ): ListChanges<DesiredService> | undefined {
    if (scope.deletions !== this.#scope.deletions) return undefined;
    if (scope.ownAddresses.join() !== this.#scope.ownAddresses.join()) return undefined;
    return listChanges(this.#services, services);
  }

  /** From here on isVipUsed is about the new list. */
  follow(services: readonly DesiredService[], { gone, come }: ListChanges<DesiredService>): void {
    for (const service of gone) this.#count(service, -1);
    for (const service of come) this.#count(service, 1);
    this.#services = services;
  }

  isVipUsed(vip: IpAddress): boolean {
    return (this.#vips.get(vip) ?? 0) > 0 || this.#scope.ownAddresses.includes(vip);
  }

  #count(service: DesiredService, change: 1 | -1): void {
    const { vip } = keyOfService(service);
    const count = (this.#vips.get(vip) ?? 0) + change;
    if (count > 0) this.#vips.set(vip, count);
    else this.#vips.delete(vip);
  }
}
