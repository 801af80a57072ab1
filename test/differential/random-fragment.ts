/** Random fragments, of packets that the others make. */
import { isV6, write16, write32 } from '../model/bytes.ts';
import { buildFrame, EXTENSION, type FrameFields, PROTOCOL } from '../model/packet.ts';
import type { ModelState } from '../model/state.ts';
import { addressIn } from '../packet/flow-name.ts';
import { l4 } from './ends.ts';
import type { Random } from './random.ts';

/** A fragment of a packet, or one more of a packet whose first fragment came. */
export function fragment(random: Random, state: ModelState, fields: FrameFields): FrameFields {
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
