/** Reading and writing of wire bytes, and the Internet checksum (RFC 1071), both written plainly. */

export const read16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

export const read32 = (bytes: Uint8Array, at: number): number =>
  ((read16(bytes, at) << 16) | read16(bytes, at + 2)) >>> 0;

export function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = (value >>> 8) & 0xff;
  bytes[at + 1] = value & 0xff;
}

export function write32(bytes: Uint8Array, at: number, value: number): void {
  write16(bytes, at, value >>> 16);
  write16(bytes, at + 2, value & 0xffff);
}

/** Ones' complement sum of 16-bit words, folded to 16 bits; an odd byte at the end counts as its upper half. */
export function onesSum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let sum = start;
  for (let at = from; at < to; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (at + 1 < to ? (bytes[at + 1] ?? 0) : 0);
  }
  return foldSum(sum);
}

export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

export const checksumOf = (bytes: Uint8Array, from: number, to: number, start = 0): number =>
  ~onesSum(bytes, from, to, start) & 0xffff;

/** RFC 1624, equation 3: the checksum after 16-bit words `before` became `after`. */
export function updateChecksum(
  checksum: number,
  before: readonly number[],
  after: readonly number[],
): number {
  let sum = ~checksum & 0xffff;
  for (const word of before) sum += ~word & 0xffff;
  for (const word of after) sum += word;
  return ~foldSum(sum) & 0xffff;
}

/** IPv4 as a number, IPv6 as a bigint. */
export type Address = number | bigint;

export const isV6 = (address: Address): address is bigint => typeof address === 'bigint';

/** 4 or 16. */
export const addressBytes = (address: Address): number => (isV6(address) ? 16 : 4);

/** The 16-bit words of an address, the first on the wire first. */
export function words(address: Address): number[] {
  if (!isV6(address)) return [address >>> 16, address & 0xffff];
  return Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - 16 * i)) & 0xffffn));
}

export function readAddress(bytes: Uint8Array, at: number, length: 4 | 16): Address {
  if (length === 4) return read32(bytes, at);
  return [0, 4, 8, 12].reduce((value, i) => (value << 32n) | BigInt(read32(bytes, at + i)), 0n);
}

export function writeAddress(bytes: Uint8Array, at: number, address: Address): void {
  words(address).forEach((word, i) => {
    write16(bytes, at + 2 * i, word);
  });
}

/** The value that a little-endian load of the four wire bytes of `value` gives ("index word"). */
export const indexWord = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

/** {@link indexWord} of each four bytes of an address: one, or four. */
export function indexWords(address: Address): number[] {
  const parts = words(address);
  return Array.from({ length: parts.length / 2 }, (_, i) =>
    indexWord(((parts[2 * i] as number) * 65536 + (parts[2 * i + 1] as number)) >>> 0),
  );
}

/** `2001:db8::1` as a bigint. Throws on anything else. */
export function ip6(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const missing = 8 - first.length - last.length;
  const all = [...first, ...new Array<string>(tail === undefined ? 0 : missing).fill('0'), ...last];
  if (all.length !== 8 || all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) {
    throw new Error(`not an IPv6 address: ${text}`);
  }
  return all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** `10.1.0.2` as a number. Throws on anything else. */
export function ip(text: string): number {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new Error(`not an IPv4 address: ${text}`);
  }
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export const ipText = (value: number): string =>
  [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');

/** `02:00:00:00:00:01` as bytes. */
export const mac = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':').map((part) => parseInt(part, 16)));
