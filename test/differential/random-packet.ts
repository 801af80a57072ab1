/** A random packet that has something to do with what is in the model's state. */
import { ip } from '../model/bytes.ts';
import { buildFrame, type FrameFields, PROTOCOL } from '../model/packet.ts';
import type { FlowRecord, ModelState } from '../model/state.ts';
import { endsOf } from '../packet/flow-name.ts';
import { OWN, POOL } from '../packet/situation.ts';
import { decorate, mutate } from './decorate.ts';
import { CLIENT_NETWORKS, eitherFamily, l4, nextTo, PORTS, VIPS } from './ends.ts';
import type { Random } from './random.ts';
import { fragment } from './random-fragment.ts';
import { icmp, icmpError } from './random-icmp.ts';

export function randomPacket(random: Random, state: ModelState): Uint8Array {
  const make = random.weighted([
    [30, fromClient],
    [30, onFlow],
    [30, onRemembered],
    [30, answer],
    [4, icmp],
    [10, icmpError],
    [3, toSnat],
    [3, notOurs],
  ]);
  const made = make(random, state);
  const fields = random.chance(0.06) ? fragment(random, state, made) : made;
  const frame = Uint8Array.from(buildFrame(random.chance(0.2) ? decorate(random, fields) : fields));
  return random.chance(0.12) ? mutate(random, frame) : frame;
}

function fromClient(random: Random): FrameFields {
  return l4(
    random,
    random.chance(0.65) ? PROTOCOL.tcp : PROTOCOL.udp,
    eitherFamily(random, {
      source: random.weighted(CLIENT_NETWORKS) + 1 + random.below(4),
      sourcePort: 40000 + random.below(6),
      destination: random.pick(VIPS),
      destinationPort: random.pick(PORTS),
    }),
  );
}

/** Another packet of a client that has a flow. */
function onFlow(random: Random, state: ModelState): FrameFields {
  return onKey(random, [...state.flows.keys()]);
}

/** Of a flow of a tracked slot. */
function onRemembered(random: Random, { remembered }: ModelState): FrameFields {
  return onKey(random, [...remembered[4].keys(), ...remembered[6].keys()]);
}

function onKey(random: Random, keys: readonly unknown[]): FrameFields {
  const ends = keys.length === 0 ? undefined : endsOf(random.pick(keys));
  if (ends === undefined) return fromClient(random);
  // Of a client, which is remembered by port 0, some other connection, and that one too.
  const sourcePort = ends.sourcePort === 0 ? random.pick([0, 40000 + random.below(6)]) : ends.sourcePort;
  return l4(random, ends.protocol, { ...ends, sourcePort });
}

/** From a backend of a flow; sometimes nearly so. */
function answer(random: Random, state: ModelState): FrameFields {
  const records = [...state.records.values()].filter(({ client }) => Number(client) !== 0);
  if (records.length === 0) return fromClient(random);
  const record: FlowRecord = random.pick(records);
  const snatAddress = state.config.snat[record.snatIndex]?.address ?? 0;
  const off = random.chance(0.1) ? random.below(4) : -1;
  const protocol = off === 0 ? PROTOCOL.tcp + PROTOCOL.udp - record.protocol : record.protocol;
  return l4(random, protocol, {
    source: nextTo(record.backendAddress, off === 1),
    sourcePort: record.backendPort + Number(off === 2),
    destination: snatAddress,
    destinationPort: record.snatPort + Number(off === 3),
  });
}

/** To a SNAT address, with nothing behind it. */
function toSnat(random: Random, { config }: ModelState): FrameFields {
  return l4(
    random,
    random.chance(0.5) ? PROTOCOL.tcp : PROTOCOL.udp,
    eitherFamily(random, {
      source: random.pick([ip('10.2.0.1'), ip('10.2.1.2'), ip('198.51.100.3')]),
      sourcePort: random.pick([8080, 5353, 443, 9]),
      destination: random.pick([POOL, POOL + 1, OWN, OWN]),
      destinationPort: random.pick([
        config.portMin - 1,
        config.portMin + random.below(config.portMax - config.portMin + 1),
        config.portMax,
        config.portMax + 1,
        22,
      ]),
    }),
  );
}

function notOurs(random: Random): FrameFields {
  const fields = l4(
    random,
    PROTOCOL.tcp,
    eitherFamily(random, {
      source: ip('198.51.100.1'),
      sourcePort: 1,
      destination: random.pick([ip('10.1.1.0'), ip('10.0.255.255'), POOL + 2, POOL - 1, ip('10.1.7.127')]),
      destinationPort: 80,
    }),
  );
  if (random.chance(0.6)) return fields;
  return { ...fields, ethertype: random.pick([0x0806, 0x86dd, 0x8847]) };
}
