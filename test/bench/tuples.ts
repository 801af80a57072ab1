/** The tuples that the wrapper rotates: 16 bytes each, as wrap.bpf.c reads them. */

export const TUPLE_SIZE = 16;

export interface Tuple {
  /** Addresses and ports as natural numbers. */
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** So many tuples, made when they are asked for: four million objects would cost more than the flows. */
export interface TupleList {
  readonly count: number;
  at(n: number): Tuple;
}

export const TCP_SYN = 0x02;
export const TCP_ACK = 0x10;

/** Clients are in 100.64.0.0/16, the shared address space of RFC 6598. */
export const CLIENT_NETWORK = 0x64400000;
const FIRST_CLIENT_PORT = 20000;

/**
 * The n-th number of 0..count-1 in an order without pattern for caches: multiplication by an odd constant
 * is a bijection modulo a power of two (Knuth's multiplicative constant).
 */
export function scatter(n: number, count: number): number {
  return (Math.imul(n, 0x9e3779b1) >>> 0) & (count - 1);
}

/** The n-th of `count` client tuples; all differ. Every frontend gets its share. */
export function clientTuple(
  n: number,
  count: number,
  frontends: ReadonlyArray<{ address: number; port: number }>,
): Tuple {
  const client = scatter(n, count);
  // A second scattering, or tuples of neighbours in the table would belong to one service.
  const frontend = frontends[(Math.imul(client + 1, 0x85ebca6b) >>> 8) % frontends.length];
  if (!frontend) throw new RangeError('no frontends');
  return {
    source: CLIENT_NETWORK + (client & 0xffff),
    sourcePort: FIRST_CLIENT_PORT + (client >>> 16),
    destination: frontend.address,
    destinationPort: frontend.port,
  };
}

/** See {@link clientTuple}. */
export function clientTuples(
  frontends: ReadonlyArray<{ address: number; port: number }>,
  count: number,
): TupleList {
  return { count, at: (n) => clientTuple(n, count, frontends) };
}

/** Writes tuple n; memory is the wrapper's `tuples`. flags are TCP's, ignored for UDP. */
export function writeTuple(memory: Buffer, n: number, tuple: Tuple, flags: number): void {
  const at = n * TUPLE_SIZE;
  memory.writeUInt32BE(tuple.source, at);
  memory.writeUInt32BE(tuple.destination, at + 4);
  memory.writeUInt16BE(tuple.sourcePort, at + 8);
  memory.writeUInt16BE(tuple.destinationPort, at + 10);
  memory.writeUInt16BE(0x5000 | flags, at + 12);
}

/** Writes all of them with the same flags. */
export function writeTuples(memory: Buffer, tuples: TupleList, flags: number): void {
  for (let n = 0; n < tuples.count; n++) writeTuple(memory, n, tuples.at(n), flags);
}

/** Every tuple gets these flags. */
export function setFlags(memory: Buffer, count: number, flags: number): void {
  for (let n = 0; n < count; n++) memory.writeUInt16BE(0x5000 | flags, n * TUPLE_SIZE + 12);
}
