/** Random ICMP messages: echoes, errors about packets of flows, and nonsense. */
import { type Address, ip, isV6 } from '../model/bytes.ts';
import type { FlowTuple } from '../model/choose-backend.ts';
import { buildFrame, type FrameFields, PROTOCOL } from '../model/packet.ts';
import type { ModelState } from '../model/state.ts';
import { endsOf } from '../packet/flow-name.ts';
import { mirror } from '../packet/network.ts';
import { POOL } from '../packet/situation.ts';
import { CLIENT_NETWORKS, type Ends, eitherFamily, l4, nextTo, PORTS, VIPS } from './ends.ts';
import type { Random } from './random.ts';

export function icmp(random: Random): FrameFields {
  const isEcho = random.chance(0.7);
  const ends = eitherFamily<Pick<Ends, 'source' | 'destination'>>(random, {
    source: random.weighted(CLIENT_NETWORKS) + 1,
    destination: random.chance(0.8) ? random.pick(VIPS) : POOL,
  });
  const echo = isV6(ends.source) ? 128 : 8;
  return {
    ip: { ...ends, ttl: random.below(256) },
    l4: {
      kind: 'icmp',
      type: isEcho ? echo : random.pick([0, 1, 2, 3, 4, 5, 11, 12, 13, 129, 135]),
      code: isEcho && random.chance(0.9) ? 0 : random.below(4),
      rest: random.next(),
      payload: random.bytes(random.below(64)),
    },
  };
}

/** About a packet of a flow, in either direction, from a router, or from the packet's destination. */
export function icmpError(random: Random, state: ModelState): FrameFields {
  const quoted = quotedOfClient(random, state) ?? random.pick([quotedOfSnat, quotedAnswer])(random, state);
  if (quoted === undefined) return icmp(random);
  const whole = buildFrame(l4(random, quoted.protocol, quoted));
  const isWide = isV6(quoted.source);
  const router: Address = isWide ? mirror(ip('203.0.113.9')) : ip('203.0.113.9');
  const size = (isWide ? 40 : 20) + random.pick([0, 7, 8, 8, 8, 20, 40]);
  // An error may quote so much that it does not fit the way to the backend.
  const more = random.chance(0.04) ? 1180 + random.below(100) : 0;
  return {
    ip: {
      source: random.chance(0.6) ? router : quoted.destination,
      destination: nextTo(quoted.source, random.chance(0.05)),
      ttl: random.chance(0.05) ? 1 : 60,
    },
    l4: {
      kind: 'icmp',
      type: isWide ? random.pick([1, 2, 2, 3, 4]) : random.pick([3, 3, 11, 12]),
      code: random.pick([0, 1, 3, 4]),
      rest: random.pick([0, 68, 575, 576, 1279, 1280, 1400]),
      payload: Buffer.concat([whole.subarray(14, 14 + size), Buffer.alloc(more)]),
    },
  };
}

/** A name of the model's: of a client, and UDP. */
const CLIENT_OF_DATAGRAMS = /:0>\w+:\d+\/273$/;

type Quoted = Ends & { readonly protocol: number };

function quotedOfSnat(random: Random, state: ModelState): Quoted | undefined {
  const records = [...state.records.values()].filter(({ client }) => Number(client) !== 0);
  if (records.length === 0) return undefined;
  const { protocol, ...record } = random.pick(records);
  if (random.chance(0.5)) {
    const { vip: source, vipPort: sourcePort, client: destination, clientPort: destinationPort } = record;
    return { source, sourcePort, destination, destinationPort, protocol };
  }
  const { snatPort: sourcePort, backendAddress: destination, backendPort: destinationPort } = record;
  const source = state.config.snat[record.snatIndex]?.address ?? 0;
  return { source, sourcePort, destination, destinationPort, protocol };
}

/** What a backend of a service in a DSR mode said to a client, remembered or not. */
function quotedAnswer(random: Random, { remembered }: ModelState): Quoted {
  const keys = [...remembered[4].keys(), ...remembered[6].keys()];
  const known = keys.length === 0 || random.chance(0.4) ? undefined : endsOf(random.pick(keys));
  return answerOf(
    random,
    known ?? {
      ...eitherFamily(random, {
        source: random.weighted(CLIENT_NETWORKS) + 1 + random.below(4),
        sourcePort: 40000 + random.below(6),
        destination: random.pick(VIPS),
        destinationPort: random.pick(PORTS),
      }),
      protocol: random.chance(0.6) ? PROTOCOL.tcp : PROTOCOL.udp,
    },
  );
}

/** There is seldom a client that is remembered, and then it is mostly chosen. */
function quotedOfClient(random: Random, { remembered }: ModelState): Quoted | undefined {
  const names = [...remembered[4].keys(), ...remembered[6].keys()].map(String);
  const clients = names.filter((name) => CLIENT_OF_DATAGRAMS.test(name));
  const ends = clients.length > 0 && random.chance(0.9) ? endsOf(random.pick(clients)) : undefined;
  return ends && answerOf(random, ends);
}

function answerOf(random: Random, ends: FlowTuple): Quoted {
  const { source, sourcePort, destination, destinationPort, protocol } = ends;
  return {
    source: destination,
    sourcePort: destinationPort,
    destination: source,
    // A client that is remembered has port 0, and flows of others.
    destinationPort: sourcePort || 40000 + random.below(6),
    protocol,
  };
}
