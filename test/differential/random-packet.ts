/** A random packet that has something to do with what is in the model's state. */
import { type Address, ip, ip6, isV6, read16, write16, write32 } from '../model/bytes.ts';
import {
  buildFrame,
  EXTENSION,
  type Extension,
  type FrameFields,
  type IpFields,
  PROTOCOL,
  TCP,
} from '../model/packet.ts';
import type { FlowRecord, ModelState } from '../model/state.ts';
import { mirror } from '../packet/network.ts';
import { OTHER_VIP, OWN, POOL, UNUSED_VIP, VIP } from '../packet/situation.ts';
import type { Random } from './random.ts';

const CLIENT_NETWORKS: ReadonlyArray<readonly [number, number]> = [
  [30, ip('198.51.100.0')],
  [10, ip('198.51.101.0')],
  [10, ip('198.51.102.0')],
  [3, ip('198.51.103.0')],
  [2, ip('198.51.104.0')],
  [1, ip('198.51.105.0')],
  [1, ip('198.51.106.0')],
  [2, ip('198.51.107.0')],
  [1, ip('172.16.0.0')],
  [1, ip('127.0.0.0')],
  [1, ip('0.0.0.0')],
  [1, ip('224.0.0.0')],
  [1, ip('255.255.255.0')],
];
const PORTS = [80, 81, 53, 443, 7] as const;
const VIPS = [VIP, VIP, VIP, OTHER_VIP, OTHER_VIP, UNUSED_VIP, ip('10.1.7.130')];

const FLAGS: ReadonlyArray<readonly [number, number]> = [
  [20, TCP.SYN],
  [12, TCP.ACK],
  [5, TCP.ACK | TCP.PSH],
  [5, TCP.ACK | TCP.FIN],
  [2, TCP.FIN],
  [4, TCP.RST],
  [2, TCP.RST | TCP.ACK],
  [2, TCP.SYN | TCP.ACK],
  [1, TCP.SYN | TCP.FIN],
  [1, TCP.SYN | TCP.RST],
  [1, 0],
];

export function randomPacket(random: Random, state: ModelState): Uint8Array {
  const make = random.weighted([
    [30, fromClient],
    [30, onFlow],
    [30, answer],
    [4, icmp],
    [4, icmpError],
    [3, toSnat],
    [3, notOurs],
  ]);
  const made = make(random, state);
  const fields = random.chance(0.06) ? fragment(random, state, made) : made;
  const frame = Uint8Array.from(buildFrame(random.chance(0.2) ? decorate(random, fields) : fields));
  return random.chance(0.12) ? mutate(random, frame) : frame;
}

/** The address itself, or the one after it. */
const nextTo = (address: Address, isOff: boolean): Address =>
  isV6(address) ? address + BigInt(isOff) : address + Number(isOff);

interface Ends {
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
}

function l4(random: Random, protocol: number, ends: Ends, flags = random.weighted(FLAGS)): FrameFields {
  const { source, destination, sourcePort, destinationPort } = ends;
  const payload = random.bytes(random.below(random.chance(0.1) ? 1200 : 12));
  const ports = { sourcePort, destinationPort, payload };
  const ipFields: IpFields = {
    source,
    destination,
    ttl: random.chance(0.04) ? random.below(3) : 2 + random.below(254),
    tos: random.below(256),
    id: random.below(65536),
  };
  if (protocol === PROTOCOL.udp) return { ip: ipFields, l4: { kind: 'udp', ...ports } };
  const seq = random.next();
  return { ip: ipFields, l4: { kind: 'tcp', ...ports, flags, seq, ack: random.next() } };
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

/** An address as keys of the model have it. */
const addressIn = (text = '0'): Address => (text.startsWith('0x') ? BigInt(text) : Number(text));

/** The ends as they are, or mirrored into IPv6. */
function eitherFamily<E extends Pick<Ends, 'source' | 'destination'>>(random: Random, ends: E): E {
  if (random.chance(0.55) || isV6(ends.source) || isV6(ends.destination)) return ends;
  // IPv6 has a loopback and multicast addresses of its own.
  const special = new Map([
    [127, 1n],
    [0, 0n],
    [224, ip6('ff02::1')],
    [255, ip6('ff0e::101')],
  ]);
  const source = special.get(ends.source >>> 24) ?? mirror(ends.source);
  return { ...ends, source, destination: mirror(ends.destination) };
}

/** Another packet of a client that has a flow. */
function onFlow(random: Random, state: ModelState): FrameFields {
  const keys = [...state.flows.keys()];
  const parts = keys.length === 0 ? null : random.pick(keys).match(/^(\w+):(\d+)>(\w+):(\d+)\/(\d+)$/);
  if (parts === null) return fromClient(random);
  const [source, destination] = [addressIn(parts[1]), addressIn(parts[3])];
  const [sourcePort = 0, destinationPort = 0, protocol = 0] = [parts[2], parts[4], parts[5]].map(Number);
  return l4(random, protocol, { source, sourcePort, destination, destinationPort });
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

function icmp(random: Random): FrameFields {
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
function icmpError(random: Random, state: ModelState): FrameFields {
  const records = [...state.records.values()].filter(({ client }) => Number(client) !== 0);
  if (records.length === 0) return icmp(random);
  const record = random.pick(records);
  const snatAddress = state.config.snat[record.snatIndex]?.address ?? 0;
  const isAnswer = random.chance(0.5);
  const quoted = isAnswer
    ? {
        source: record.vip,
        sourcePort: record.vipPort,
        destination: record.client,
        destinationPort: record.clientPort,
      }
    : {
        source: snatAddress,
        sourcePort: record.snatPort,
        destination: record.backendAddress,
        destinationPort: record.backendPort,
      };
  const whole = buildFrame(l4(random, record.protocol, quoted));
  const isWide = isV6(record.client);
  const router: Address = isWide ? mirror(ip('203.0.113.9')) : ip('203.0.113.9');
  const size = (isWide ? 40 : 20) + random.pick([0, 7, 8, 8, 8, 20, 40]);
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
      payload: whole.subarray(14, 14 + size),
    },
  };
}

/** A fragment of a packet, or one more of a packet whose first fragment came. */
function fragment(random: Random, state: ModelState, fields: FrameFields): FrameFields {
  const known = [...state.fragments.keys()];
  const parts = known.length === 0 ? null : random.pick(known).match(/^(\w+)>(\w+)#(\d+)\/(\d+)$/);
  if (parts === null || random.chance(0.5)) return firstFragment(random, fields);
  const [source, destination] = [addressIn(parts[1]), addressIn(parts[2])];
  return asFragment(l4(random, PROTOCOL.udp, { source, destination, sourcePort: 0, destinationPort: 0 }), {
    id: Number(parts[3]),
    at: 1 + random.below(200),
    more: random.chance(0.5),
    protocol: Number(parts[4]),
    payload: random.bytes(random.below(40)),
  });
}

/** Of one of a few ids; now and then it says that it is a later one. */
function firstFragment(random: Random, fields: FrameFields): FrameFields {
  const { ip: ipFields, l4: whole } = fields;
  if (whole.kind === 'raw') return fields;
  const isWide = isV6(ipFields.source);
  const isLater = random.chance(0.2);
  return asFragment(fields, {
    id: 1 + random.below(3),
    at: isLater ? 1 + random.below(200) : 0,
    more: !isLater || random.chance(0.5),
    protocol: whole.kind === 'icmp' && isWide ? PROTOCOL.icmp6 : PROTOCOL[whole.kind],
    payload: Uint8Array.from(buildFrame(fields).subarray(14 + (isWide ? 40 : 20))),
  });
}

interface Piece {
  readonly id: number;
  /** In units of 8 bytes. */
  readonly at: number;
  readonly more: boolean;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

function asFragment(fields: FrameFields, { id, at, more, protocol, payload }: Piece): FrameFields {
  const { ip: ipFields } = fields;
  const l4Fields = { kind: 'raw', protocol, payload } as const;
  if (!isV6(ipFields.source)) {
    return { ...fields, ip: { ...ipFields, id, fragment: (more ? 0x2000 : 0) | at }, l4: l4Fields };
  }
  const header = new Uint8Array(8);
  write16(header, 2, (at << 3) | Number(more));
  write32(header, 4, id);
  const extensions = [{ kind: EXTENSION.fragment, bytes: header }];
  return { ...fields, ip: { ...ipFields, extensions }, l4: l4Fields };
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

/** Options, tags, padding, strange checksums. */
function decorate(random: Random, fields: FrameFields): FrameFields {
  const options = (): Uint8Array => random.bytes(random.below(11) * 4);
  const isUdp = fields.l4.kind === 'udp';
  const what = random.below(6);
  if (what === 0 && isV6(fields.ip.source))
    return { ...fields, ip: { ...fields.ip, extensions: extensions(random) } };
  if (what === 0) return { ...fields, ip: { ...fields.ip, options: options() } };
  if (what === 1 && fields.l4.kind === 'tcp') return { ...fields, l4: { ...fields.l4, options: options() } };
  if (what === 2) return { ...fields, padding: random.bytes(random.below(40)) };
  if (what === 3 && fields.l4.kind !== 'raw') {
    const checksum = isUdp && random.chance(0.6) ? 0 : random.below(65536);
    return { ...fields, l4: { ...fields.l4, checksum } };
  }
  const tags = Array.from(
    {
      length: random.weighted([
        [6, 1],
        [2, 2],
        [1, 3],
      ]),
    },
    () => ({
      ethertype: random.chance(0.7) ? 0x8100 : 0x88a8,
      tci: random.below(65536),
    }),
  );
  return { ...fields, tags };
}

/** A few headers in front of L4; now and then more, or longer ones, than are walked. */
function extensions(random: Random): Extension[] {
  const count = random.chance(0.1) ? 6 + random.below(3) : 1 + random.below(3);
  return Array.from({ length: count }, () => {
    const kind = random.pick([EXTENSION.hopByHop, EXTENSION.routing, EXTENSION.destination]);
    const words = random.chance(0.1) ? random.below(20) : 0;
    const bytes = random.bytes(8 + 8 * words);
    bytes[1] = words;
    if (random.chance(0.9)) bytes[3] = 0;
    return { kind, bytes };
  });
}

/** Breaks the frame somewhere, most likely in its headers. */
function mutate(random: Random, frame: Uint8Array): Uint8Array {
  const what = random.below(5);
  if (what === 0) return frame.subarray(0, 14 + random.below(Math.max(1, frame.length - 14)));
  const broken = Uint8Array.from(frame);
  const wide = read16(broken, 12) === 0x86dd;
  if (what === 1) broken[14] = random.pick([0x44, 0x45, 0x46, 0x4f, 0x55, 0x65, 0x40, random.below(256)]);
  else if (what === 2)
    write16(
      broken,
      wide ? 18 : 16,
      random.chance(0.5) ? frame.length - 14 + random.below(5) - 2 : random.below(80),
    );
  else if (what === 3 && wide) broken[20] = random.pick([0, 6, 17, 43, 44, 50, 58, 59, 60]);
  else if (what === 3) write16(broken, 20, random.pick([0x2000, 0x0001, 0x1fff, 0x8000, 0x6000, 0x4000]));
  else {
    const at = 12 + random.below(Math.min(50, frame.length - 12));
    broken[at] = random.below(256);
  }
  return broken;
}
