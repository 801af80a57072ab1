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

/** The two 16-bit words of a 32-bit value. */
export const words = (value: number): [number, number] => [value >>> 16, value & 0xffff];

/** The value that a little-endian load of the four wire bytes of `value` gives ("index word"). */
export const indexWord = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

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
