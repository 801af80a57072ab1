/** Which of the node's own ports are taken by its sockets: SNAT must not use those. */

import { addressOfWords, formatAddress } from '../net/address.ts';
import { readFileIfThere } from './atomic-file.ts';
import { intersectPortLists, type PortRange } from './port-list.ts';

/** A local address and port that a socket is bound to. `0.0.0.0` is every IPv4 address, `::` every one. */
export interface BoundPort {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** `0100007F` as /proc/net prints 127.0.0.1: words in the machine's order. */
function parseWord(hex: string): number {
  const bytes = Buffer.from(hex, 'hex');
  return LITTLE_ENDIAN ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0);
}

/** A mapped IPv4 address counts as that; [::] takes IPv4 too, unless the socket says otherwise. */
function parseProcAddress(hex: string): string | undefined {
  if (hex.length === 8) return formatAddress(parseWord(hex));
  if (hex.length !== 32) return undefined;
  const words = [0, 8, 16, 24].map((at) => parseWord(hex.slice(at, at + 8)));
  const [a, b, c, d] = words as [number, number, number, number];
  return a === 0 && b === 0 && c === 0xffff ? formatAddress(d) : formatAddress(addressOfWords(words, 6));
}

/** Reads the text of /proc/net/{tcp,udp}{,6}; lines that make no sense are passed over. */
export function parseProcNet(text: string, protocol: 'TCP' | 'UDP'): BoundPort[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const match = /^\s*\d+:\s+([0-9A-F]+):([0-9A-F]{4})\s/.exec(line);
      const address = match?.[1] === undefined ? undefined : parseProcAddress(match[1]);
      if (address === undefined || match?.[2] === undefined) return [];
      return [{ address, port: Number.parseInt(match[2], 16), protocol }];
    });
}

/** All bound ports of this network namespace. */
export function readBoundPorts(): BoundPort[] {
  return (['TCP', 'UDP'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((suffix) =>
      parseProcNet(readFileIfThere(`/proc/net/${protocol.toLowerCase()}${suffix}`) ?? '', protocol),
    ),
  );
}

/** The sockets that use an address of `own` (or every address) and a port inside `ports`. */
export function findPortConflicts(
  bound: readonly BoundPort[],
  own: readonly string[],
  ports: PortRange,
): BoundPort[] {
  const addresses = new Set(['::', ...own]);
  if (own.some((address) => !address.includes(':'))) addresses.add('0.0.0.0');
  const conflicts = bound.filter(
    ({ address, port }) =>
      addresses.has(address) && intersectPortLists([{ first: port, last: port }], [ports]).length > 0,
  );
  const seen = new Map(conflicts.map((one) => [`${one.protocol} ${one.address} ${one.port}`, one]));
  return [...seen.values()].sort((a, b) => a.port - b.port);
}
