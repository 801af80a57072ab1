/**
 * Kubernetes objects -> what the dataplane should do. Pure: the answer depends on the objects and the
 * settings only, not on their order, nor on what was there before.
 */

import { runAtOnce } from '../slices/run-in-slices.ts';
import type { EndpointSlice, KubeNode, Service } from '../sources/kube-objects.ts';
import { usesNodePorts } from './backend-kind.ts';
import { FrontendClaims } from './claim-frontends.ts';
import type { DesiredService, DesiredState, Problem } from './desired-state.ts';
import { listChanges } from './list-changes.ts';
import { NO_NODES, nodePool } from './node-pool.ts';
import {
  claimsOf,
  comparePlaces,
  keyOf,
  lonelySlice,
  newEntry,
  type PlacedService,
  type ServiceEntry,
  settleEntry,
} from './service-entry.ts';
import type { ServiceSettings } from './service-settings.ts';
import { sortProblems } from './sort-problems.ts';

/** From nothing, in one go. Objects must be unique by kind, namespace and name, as sources give them. */
export function buildDesiredState(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  settings: ServiceSettings,
  nodes: readonly KubeNode[] = [],
): DesiredState {
  return runAtOnce(new DesiredStateBuilder(settings).update(services, slices, nodes));
}

/**
 * The same, remembering: an update looks at what changed since the last one only, and what did not change
 * stays the same object. It compares whole lists, so no event can be missed.
 */
export class DesiredStateBuilder {
  readonly #settings: ServiceSettings;
  #services: readonly Service[] = [];
  #slices: readonly EndpointSlice[] = [];
  #nodes: readonly KubeNode[] = [];
  #pool = NO_NODES;
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #claims = new FrontendClaims();
  /** Of no Service, with the problem that this is. */
  readonly #loose = new Map<EndpointSlice, Problem>();
  readonly #troubled = new Set<ServiceEntry>();
  #placed: readonly PlacedService[] = [];
  #state: DesiredState = { services: [], problems: [] };

  constructor(settings: ServiceSettings) {
    this.#settings = settings;
  }

  /**
   * Objects must be unique by kind, namespace and name. To be run to its end, and not to be used any
   * more when it throws.
   */
  *update(
    services: readonly Service[],
    slices: readonly EndpointSlice[],
    nodes: readonly KubeNode[] = [],
  ): Generator<void, DesiredState> {
    const dirty = new Set<ServiceEntry>();
    const looseBefore = [...this.#loose.keys()];
    yield* this.#takeSlices(slices, dirty);
    yield* this.#takeServices(services, dirty);
    const nodeProblems = this.#pool.problems;
    yield* this.#takeNodes(nodes, dirty);
    const gone = new Set<PlacedService>();
    const come: PlacedService[] = [];
    const loose = listChanges(looseBefore, [...this.#loose.keys()]);
    let hasNewProblems = loose.gone.length + loose.come.length > 0 || this.#pool.problems !== nodeProblems;
    for (const entry of dirty) {
      const { placed, problems } = settleEntry(
        entry,
        (claim) => this.#claims.ownerOf(claim),
        this.#pool,
        this.#settings,
      );
      hasNewProblems ||= entry.problems.length + problems.length > 0;
      for (const each of entry.placed) if (!placed.includes(each)) gone.add(each);
      for (const each of placed) if (!entry.placed.includes(each)) come.push(each);
      entry.placed = placed;
      entry.problems = problems;
      if (problems.length > 0) this.#troubled.add(entry);
      else this.#troubled.delete(entry);
      if (entry.service === undefined && entry.slices.length === 0) this.#entries.delete(entry.key);
      yield;
    }
    return this.#finish(gone, come, hasNewProblems);
  }

  *#takeSlices(slices: readonly EndpointSlice[], dirty: Set<ServiceEntry>): Generator<void> {
    const { gone, come } = listChanges(this.#slices, slices);
    this.#slices = slices;
    const left = new Set(gone);
    for (const slice of gone) {
      if (!this.#loose.delete(slice)) dirty.add(this.#entryOf(`${slice.namespace}/${slice.service}`));
    }
    for (const entry of dirty) entry.slices = entry.slices.filter((slice) => !left.has(slice));
    for (const slice of come) {
      if (slice.service === undefined) this.#loose.set(slice, lonelySlice(slice));
      else {
        const entry = this.#entryOf(`${slice.namespace}/${slice.service}`);
        entry.slices = [...entry.slices, slice];
        dirty.add(entry);
      }
      yield;
    }
  }

  *#takeServices(services: readonly Service[], dirty: Set<ServiceEntry>): Generator<void> {
    const { gone, come } = listChanges(this.#services, services);
    this.#services = services;
    const next = new Map(come.map((service) => [keyOf(service), service]));
    for (const service of [...gone.filter((service) => !next.has(keyOf(service))), ...come]) {
      const entry = this.#entryOf(keyOf(service));
      entry.service = next.get(entry.key);
      const problems: Problem[] = [];
      const before = entry.claims;
      entry.claims = entry.service === undefined ? [] : claimsOf(entry.service, this.#settings, problems);
      entry.claimProblems = problems;
      dirty.add(entry);
      for (const other of this.#claims.replace(before, entry.claims)) dirty.add(this.#entryOf(keyOf(other)));
      yield;
    }
  }

  *#takeNodes(nodes: readonly KubeNode[], dirty: Set<ServiceEntry>): Generator<void> {
    const { gone, come } = listChanges(this.#nodes, nodes);
    this.#nodes = nodes;
    if (gone.length + come.length === 0) return;
    this.#pool = nodePool(nodes, this.#settings.ranges);
    yield;
    for (const entry of this.#entries.values()) {
      if (entry.service !== undefined && usesNodePorts(entry.service, this.#settings)) dirty.add(entry);
    }
    yield;
  }

  #finish(gone: ReadonlySet<PlacedService>, come: readonly PlacedService[], hasNewProblems: boolean) {
    const before = this.#state;
    let services: readonly DesiredService[] = before.services;
    if (gone.size + come.length > 0) {
      // Sorted already but for what came, which a merge sort is quick with.
      this.#placed = [...this.#placed.filter((each) => !gone.has(each)), ...come].sort(comparePlaces);
      services = this.#placed.map(({ service }) => service);
    }
    const problems = hasNewProblems
      ? sortProblems([
          ...this.#loose.values(),
          ...this.#pool.problems,
          ...[...this.#troubled].flatMap((entry) => entry.problems),
        ])
      : before.problems;
    if (services !== before.services || problems !== before.problems) this.#state = { services, problems };
    return this.#state;
  }

  #entryOf(key: string): ServiceEntry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry = newEntry(key);
    this.#entries.set(key, entry);
    return entry;
  }
}
