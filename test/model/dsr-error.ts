/** docs/packet-path.md, section 5a, "ICMP errors": to the backend whose answer the error is about. */
import { type FlowTuple, hashOf } from './choose-backend.ts';
import { isDsr, worldOf } from './dsr.ts';
import { PROTOCOL } from './packet.ts';
import { drop, type Run, type Verdict } from './run.ts';
import { sendDsr } from './send-dsr.ts';
import { clientKey, flowKey, frontendKey, type Service } from './state.ts';
import { isThere, isTracked, living, ownerAt, windowIsOpen } from './tracked.ts';
import type { Packet } from './well-formed.ts';

/** `tuple` is the quoted flow's, towards the VIP. */
export function errorToDsr(run: Run, packet: Packet, tuple: FlowTuple): Verdict {
  const { config, frontends, services, backends } = run.state;
  const index = frontends.get(frontendKey(tuple.destination, tuple.destinationPort, tuple.protocol));
  const service = index === undefined ? undefined : services.get(index);
  if (index === undefined || !isDsr(service)) return drop(run, 'DROP_ICMP_NO_FLOW', index);
  if (packet.ttl <= 1) return drop(run, 'DROP_TTL', index);
  const hash = hashOf(config.hashSeed, tuple, service);
  const place = service.table && placeOf(run, packet, { tuple, index, service, hash });
  const backend = place === undefined ? undefined : backends.get(place);
  if (place === undefined || backend === undefined || backend.state === 'BACKEND_FREE') {
    return drop(run, 'DROP_ICMP_NO_FLOW', index);
  }
  return sendDsr(run, packet, { service: index, backend: place, hash });
}

interface Quoted {
  readonly tuple: FlowTuple;
  readonly index: number;
  readonly service: Service;
  readonly hash: number;
}

/** An error teaches nothing, and touches nothing. */
function placeOf(run: Run, packet: Packet, { tuple, index, service, hash }: Quoted): number | undefined {
  const { table, oldest, windowStart, windowTcp, windowUdp } = service;
  if (table === undefined) return undefined;
  const owner = ownerAt(table, hash);
  if (!isTracked(table, hash)) {
    run.rules.push('error: to the owner');
    return owner;
  }
  const world = worldOf(run, packet, index);
  const { source, destination, sourcePort, destinationPort, protocol } = tuple;
  const known = living(world, flowKey(source, destination, sourcePort, destinationPort, protocol));
  if (known !== undefined) {
    run.rules.push('error: after the flow');
    return known.backend;
  }
  const isDatagram = protocol === PROTOCOL.udp;
  const ofClient = clientKey(source, destination, destinationPort, protocol);
  const client = service.hashed?.affinity && isDatagram ? living(world, ofClient) : undefined;
  if (client !== undefined) {
    run.rules.push('error: after the client');
    return client.backend;
  }
  const window = isDatagram ? windowUdp : windowTcp;
  const former = windowIsOpen(world, { oldest, windowStart, window }) && oldest && ownerAt(oldest, hash);
  if (typeof former === 'number' && isThere(world, former)) {
    run.rules.push('error: to the oldest owner');
    return former;
  }
  run.rules.push('error: to the owner');
  return owner;
}
