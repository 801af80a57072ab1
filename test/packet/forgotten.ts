/**
 * The agent forgets remembered flows when it settles windows, and nobody else does. The model has no agent:
 * it takes over what was forgotten, and says where that was wrong (docs/consistency.md, "What the agent does").
 */
import { hashOf } from '../model/choose-backend.ts';
import { isDsr } from '../model/dsr.ts';
import { age, type Backend, frontendKey, type ModelState, type Service } from '../model/state.ts';
import { isTracked, ownerAt, type RememberedFlow, windowIsOpen } from '../model/tracked.ts';
import type { Bed } from './bed.ts';
import { endsOf } from './flow-name.ts';
import { readRemembered } from './remembered.ts';

/**
 * Flows that were forgotten but must be known, and slots that must be tracked for what is known still; but
 * flows of services in `rehashed` may have another slot than before.
 */
export function adoptForgotten(
  bed: Bed,
  state: ModelState,
  now: number,
  rehashed: ReadonlySet<number>,
): string[] {
  const wrong: string[] = [];
  for (const family of [4, 6] as const) {
    const real = readRemembered(bed, family);
    for (const [key, flow] of state.remembered[family]) {
      const need = needOf(state, String(key), flow, now, rehashed);
      if (real.has(String(key))) {
        if (need === 'a tracked slot')
          wrong.push(`the slot of ${key} is not tracked, and its flow elsewhere`);
        continue;
      }
      if (need !== 'nothing') wrong.push(`${key} was forgotten`);
      state.remembered[family].delete(key);
    }
  }
  return wrong;
}

/** What it takes for a remembered flow to stay where it is. */
function needOf(
  state: ModelState,
  key: string,
  flow: RememberedFlow,
  now: number,
  rehashed: ReadonlySet<number>,
): 'nothing' | 'memory' | 'a tracked slot' {
  const ends = endsOf(key);
  if (ends === undefined) throw new Error(`not a flow: ${key}`);
  const index = state.frontends.get(frontendKey(ends.destination, ends.destinationPort, ends.protocol));
  const service = index === undefined ? undefined : state.services.get(index);
  const backend = state.backends.get(flow.backend);
  const isAlive =
    backend?.service === index &&
    backend?.state !== 'BACKEND_FREE' &&
    backend?.generation === flow.generation;
  const isIdle = age(now, flow.seen) > state.config.timeout[flow.state];
  if (!isAlive || isIdle || !isDsr(service) || service.table === undefined) return 'nothing';
  const hash = hashOf(state.config.hashSeed, ends, service);
  const owner = ownerAt(service.table, hash);
  const isOwners = isSameEndpoint(backend, owner === undefined ? undefined : state.backends.get(owner));
  if (!isTracked(service.table, hash)) {
    return isOwners || rehashed.has(index as number) ? 'nothing' : 'a tracked slot';
  }
  return isOwners && !hasFormerOwner(service, hash, ends.protocol, now) ? 'nothing' : 'memory';
}

/** A backend whose block was outgrown has an entry in both blocks. */
function isSameEndpoint(x: Backend | undefined, y: Backend | undefined): boolean {
  if (x === undefined || y === undefined) return false;
  return x.service === y.service && x.address === y.address && x.port === y.port;
}

/** Whether what is not remembered goes to anybody but the live owner. */
function hasFormerOwner(service: Service, hash: number, protocol: number, now: number): boolean {
  const { table, oldest, windowStart, windowTcp, windowUdp } = service;
  const window = protocol === 17 ? windowUdp : windowTcp;
  if (table === undefined || oldest === undefined) return false;
  return (
    windowIsOpen({ now }, { oldest, windowStart, window }) && ownerAt(oldest, hash) !== ownerAt(table, hash)
  );
}
