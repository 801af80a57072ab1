/**
 * An oldest owner that is gone while its slots still name it. The agent replaces it before its entry ends, so
 * that only its death between two stores leaves this, which no random history meets often enough.
 */
import { backend as backendLayout, backendState } from '../../src/layout/generated.ts';
import { hashOf } from '../model/choose-backend.ts';
import { buildFrame, PROTOCOL, TCP } from '../model/packet.ts';
import type { ModelState, Service } from '../model/state.ts';
import { isTracked, ownerAt, windowIsOpen } from '../model/tracked.ts';
import { addressIn } from '../packet/flow-name.ts';
import type { Pair } from '../packet/pair.ts';
import type { Random } from './random.ts';

const CLIENTS_TRIED = 300;

interface Found {
  readonly frame: Buffer;
  readonly oldest: number;
}

/** Sends a SYN to a slot of that kind, if there is a window with one; what `send` says of it. */
export function goneOldest(
  pair: Pair,
  random: Random,
  send: (frame: Buffer) => readonly string[],
): readonly string[] {
  const found = findTuple(pair.model, pair.now, random);
  if (found === undefined) return [];
  const { memory, stride } = pair.bed.maps.arrays.backends;
  const at = found.oldest * stride + backendLayout.offsets.state;
  const former = memory.readUInt8(at);
  memory.writeUInt8(backendState.BACKEND_FREE, at);
  pair.reread();
  const differences = send(found.frame);
  memory.writeUInt8(former, at);
  pair.reread();
  return differences;
}

function findTuple(state: ModelState, now: number, random: Random): Found | undefined {
  for (const [key, index] of state.frontends) {
    const service = state.services.get(index);
    if (service === undefined || !hasWindow(service, now)) continue;
    const parts = key.match(/^(\w+):(\d+)\/(\d+)$/);
    const destination = addressIn(parts?.[1]);
    const [destinationPort, protocol] = [Number(parts?.[2]), Number(parts?.[3])];
    if (protocol !== PROTOCOL.tcp || destinationPort === 0) continue;
    for (let tried = 0; tried < CLIENTS_TRIED; tried++) {
      const sourcePort = 1 + random.below(60_000);
      const source =
        typeof destination === 'number' ? 0xc6336400 + random.below(250) : (0xfd0000c6n << 96n) + 1n;
      const tuple = { source, sourcePort, destination, destinationPort, protocol };
      const oldest = formerOwner(state, service, hashOf(state.config.hashSeed, tuple, service));
      if (oldest === undefined) continue;
      const l4 = { kind: 'tcp', sourcePort, destinationPort, flags: TCP.SYN } as const;
      return { frame: buildFrame({ ip: { source, destination }, l4 }), oldest };
    }
  }
  return undefined;
}

function hasWindow({ oldest, windowStart, windowTcp }: Service, now: number): boolean {
  return oldest !== undefined && windowIsOpen({ now }, { oldest, windowStart, window: windowTcp });
}

/** The oldest owner of a tracked slot, if it is there, and another one than the present. */
function formerOwner(state: ModelState, { table, oldest }: Service, hash: number): number | undefined {
  if (table === undefined || oldest === undefined || !isTracked(table, hash)) return undefined;
  const owner = ownerAt(oldest, hash);
  const isThere = state.backends.get(owner)?.state !== 'BACKEND_FREE';
  return isThere && owner !== ownerAt(table, hash) ? owner : undefined;
}
