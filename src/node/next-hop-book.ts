/** Whom the kernel would ask for a MAC address on the way to each backend, remembered. */
import { turn } from '../slices/run-in-slices.ts';
import { routesTo } from './ip.ts';
import { type Neighbour, nextHopOf } from './managed-neighbours.ts';
import type { RunCommand } from './run-command.ts';

/** Asked in one go: what ip answers is read in one piece, and others wait for it. */
const ADDRESSES_AT_A_TIME = 500;
/** Of what is known already. */
const LOOKED_UP_AT_A_TIME = 4_000;

export class NextHopBook {
  /** By address; undefined: there is none. */
  #known = new Map<string, Neighbour | undefined>();
  #hops = new Map<string, Neighbour>();

  /** The next hops on the way to these addresses, each once. Asks for the unknown ones, or for all of them. */
  async nextHopsOf(
    run: RunCommand,
    addresses: readonly string[],
    ask: 'all' | 'unknown',
  ): Promise<Neighbour[]> {
    const before = this.#known;
    const known = new Map<string, Neighbour | undefined>();
    const unknown: string[] = [];
    for (const [index, address] of addresses.entries()) {
      if (index % LOOKED_UP_AT_A_TIME === 0) await turn();
      if (ask === 'unknown' && before.has(address)) known.set(address, before.get(address));
      else unknown.push(address);
    }
    for (let first = 0; first < unknown.length; first += ADDRESSES_AT_A_TIME) {
      const some = unknown.slice(first, first + ADDRESSES_AT_A_TIME);
      const routes = await routesTo(run, some);
      for (const address of some) known.set(address, this.#shared(nextHopOf(address, routes.get(address))));
    }
    this.#known = known;
    const hops = new Set(known.values());
    hops.delete(undefined);
    this.#hops = new Map([...(hops as Set<Neighbour>)].map((hop) => [nameOf(hop), hop]));
    return [...this.#hops.values()];
  }

  /** The next hop on the way to an address that was among the last ones; undefined when there is none. */
  hopOf(address: string): Neighbour | undefined {
    return this.#known.get(address);
  }

  /** One object for all that are alike: most backends are behind a few gateways. */
  #shared(hop: Neighbour | undefined): Neighbour | undefined {
    if (hop === undefined) return undefined;
    const known = this.#hops.get(nameOf(hop));
    if (known === undefined) this.#hops.set(nameOf(hop), hop);
    return known ?? hop;
  }
}

function nameOf({ address, device }: Neighbour): string {
  return `${address} ${device}`;
}
