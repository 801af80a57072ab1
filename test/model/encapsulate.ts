/** docs/packet-path.md, section 5a, "Outer headers": a packet inside another one. */
import { checksumOf, indexWord, isV6, read16, read32, write16, write32, writeAddress } from './bytes.ts';
import { PROTOCOL } from './packet.ts';
import type { Backend, Mode, ModelConfig } from './state.ts';
import type { Packet } from './well-formed.ts';

const TTL = 64;
const DONT_FRAGMENT = 0x4000;
const IN_IP = { 4: 4, 6: 41 } as const;
const GUE_BYTES = 12;

export const familyOf = ({ address }: Pick<Backend, 'address'>): 4 | 6 => (isV6(address) ? 6 : 4);

/** Bytes that the mode puts before a packet. */
export function outerSize(mode: Mode, family: 4 | 6): number {
  if (mode === 'l2') return 0;
  return (family === 4 ? 20 : 40) + (mode === 'gue' ? GUE_BYTES : 0);
}

export interface Wrapping {
  readonly mode: 'ipip' | 'gue';
  readonly backend: Backend;
  /** The flow's. */
  readonly hash: number;
  /** Undefined: the outer packet must not be fragmented. */
  readonly fragmentId: number | undefined;
}

/** The frame with the outer headers behind its link layer, whose ethertype becomes the outer family's. */
export function encapsulate(
  config: ModelConfig,
  packet: Packet,
  frame: Uint8Array,
  wrapping: Wrapping,
): Uint8Array {
  const { l3 } = packet;
  const family = familyOf(wrapping.backend);
  const size = outerSize(wrapping.mode, family);
  const out = new Uint8Array(frame.length + size);
  out.set(frame.subarray(0, l3));
  out.set(frame.subarray(l3), l3 + size);
  write16(out, l3 - 2, family === 4 ? 0x0800 : 0x86dd);
  const header = family === 4 ? outer4(config, packet, wrapping) : outer6(config, packet, wrapping);
  out.set(header, l3);
  if (wrapping.mode === 'gue') out.set(gue(config, packet, wrapping), l3 + header.length);
  return out;
}

const trafficClass = ({ frame, l3, family }: Packet): number =>
  family === 4 ? (frame[l3 + 1] ?? 0) : (read16(frame, l3) >> 4) & 0xff;

const nextProtocol = ({ mode }: Wrapping, { family }: Packet): number =>
  mode === 'gue' ? PROTOCOL.udp : IN_IP[family];

function outer4(config: ModelConfig, packet: Packet, wrapping: Wrapping): Uint8Array {
  const { mode, backend, hash, fragmentId } = wrapping;
  const { network, mask } = config.outer4;
  const bytes = new Uint8Array(20);
  bytes[0] = 0x45;
  bytes[1] = trafficClass(packet);
  write16(bytes, 2, packet.totalLength + outerSize(mode, 4));
  write16(bytes, 4, fragmentId ?? 0);
  write16(bytes, 6, fragmentId === undefined ? DONT_FRAGMENT : 0);
  bytes[8] = TTL;
  bytes[9] = nextProtocol(wrapping, packet);
  write32(bytes, 12, (network | (indexWord(hash) & ~mask)) >>> 0);
  writeAddress(bytes, 16, backend.address);
  write16(bytes, 10, checksumOf(bytes, 0, 20));
  return bytes;
}

function outer6(config: ModelConfig, packet: Packet, wrapping: Wrapping): Uint8Array {
  const { mode, backend, hash } = wrapping;
  const { network, mask } = config.outer6;
  const bytes = new Uint8Array(40);
  write32(bytes, 0, (6 * 2 ** 28 + trafficClass(packet) * 2 ** 20 + (hash & 0xfffff)) >>> 0);
  write16(bytes, 4, packet.totalLength + (mode === 'gue' ? GUE_BYTES : 0));
  bytes[6] = nextProtocol(wrapping, packet);
  bytes[7] = TTL;
  writeAddress(bytes, 8, network);
  const varied = indexWord(hash) & ~Number(mask & 0xffffffffn);
  write32(bytes, 20, (read32(bytes, 20) | varied) >>> 0);
  writeAddress(bytes, 24, backend.address);
  return bytes;
}

/** UDP without a checksum, and GUE's own four bytes. */
function gue(config: ModelConfig, packet: Packet, { hash }: Wrapping): Uint8Array {
  const bytes = new Uint8Array(GUE_BYTES);
  write16(bytes, 0, 0xc000 | (hash & 0x3fff));
  write16(bytes, 2, config.guePort);
  write16(bytes, 4, packet.totalLength + GUE_BYTES);
  bytes[9] = IN_IP[packet.family];
  return bytes;
}
