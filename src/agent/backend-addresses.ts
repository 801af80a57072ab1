/** Which addresses backends have, kept in step with the services that have them. */
import type { DesiredService } from '../services/desired-state.ts';
import { listChanges } from '../services/list-changes.ts';

export class BackendAddresses {
  #services: readonly DesiredService[] = [];
  /** How many backends have it. */
  readonly #users = new Map<string, number>();

  /** False: they are the same addresses as before. May pause; to be run to its end. */
  *follow(services: readonly DesiredService[]): Generator<void, boolean> {
    const { gone, come } = listChanges(this.#services, services);
    this.#services = services;
    const before = this.#users.size;
    let isNew = false;
    for (const { backends } of come) {
      for (const { address } of backends) {
        const users = this.#users.get(address) ?? 0;
        isNew ||= users === 0;
        this.#users.set(address, users + 1);
      }
      yield;
    }
    for (const { backends } of gone) {
      for (const { address } of backends) {
        const users = (this.#users.get(address) ?? 0) - 1;
        if (users > 0) this.#users.set(address, users);
        else this.#users.delete(address);
      }
      yield;
    }
    return isNew || this.#users.size !== before;
  }

  get all(): string[] {
    return [...this.#users.keys()];
  }
}
