import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowKey4, flowKey6, serviceFlag } from '../../../src/layout/generated.ts';
import { ServiceHash } from '../../../src/maglev/service-hash.ts';

const U64 = (1n << 64n) - 1n;
const word32 = fc.nat(0xffffffff);
const port = fc.nat(0xffff);
const flagsArbitrary = fc.constantFrom(0, serviceFlag.SERVICE_F_AFFINITY, serviceFlag.SERVICE_F_HASH3);

/** docs/packet-path.md, section 6, with bigints. s, d, p: index words. */
function hashOf(s: bigint, d: bigint, p: bigint, protocol: bigint, seed: bigint): number {
  let h = ((s << 32n) | p) ^ seed;
  h = (h * 0xff51afd7ed558ccdn) & U64;
  h ^= h >> 32n;
  h = (h + ((d << 32n) | protocol)) & U64;
  h = (h * 0xc4ceb9fe1a85ec53n) & U64;
  h ^= h >> 29n;
  return Number((((h >> 16n) & 0xffffffffn) * 2654435761n) & 0xffffffffn);
}

function fold(words: readonly bigint[], seed: bigint): bigint {
  const [a0 = 0n, a1 = 0n, a2 = 0n, a3 = 0n] = words;
  let h = ((((a1 << 32n) | a0) ^ seed) * 0xff51afd7ed558ccdn) & U64;
  h ^= h >> 32n;
  h = (h + ((a3 << 32n) | a2)) & U64;
  h = (h * 0xc4ceb9fe1a85ec53n) & U64;
  h ^= h >> 29n;
  return (h >> 16n) & 0xffffffffn;
}

const indexWords = (bytes: Buffer, from: number, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => BigInt(bytes.readUInt32LE(from + i * 4)));

test('the hash of an IPv4 key is that of the definition, whatever the flags', () => {
  fc.assert(
    fc.property(
      fc.tuple(word32, word32, port, port, fc.constantFrom(6, 17)),
      fc.bigInt(0n, U64),
      flagsArbitrary,
      ([client, vip, clientPort, vipPort, protocol], seed, flags) => {
        const key = Buffer.from(flowKey4.encode({ client, vip, clientPort, vipPort, protocol }));
        const [s = 0n, d = 0n, p = 0n] = indexWords(key, 0, 3);
        const keys = Buffer.concat([Buffer.alloc(flowKey4.size), key]);
        const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
        const found = new ServiceHash(seed).of(view, flowKey4.size, 4, flowKey4.offsets, flags);
        if (flags === serviceFlag.SERVICE_F_AFFINITY) expect(found).toBe(hashOf(s, 0n, 0n, 0n, seed));
        else if (flags !== 0) expect(found).toBe(hashOf(s, d, 0n, BigInt(protocol), seed));
        else expect(found).toBe(hashOf(s, d, p, BigInt(protocol), seed));
      },
    ),
  );
});

test('and of an IPv6 key', () => {
  const address = fc.array(word32, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.tuple(address, address, port, port, fc.constantFrom(6, 17)),
      fc.bigInt(0n, U64),
      flagsArbitrary,
      ([client, vip, clientPort, vipPort, protocol], seed, flags) => {
        const key = Buffer.from(flowKey6.encode({ client, vip, clientPort, vipPort, protocol }));
        const s = fold(indexWords(key, 0, 4), seed);
        const d = indexWords(key, 16, 4).reduce((sum, word) => sum ^ word, 0n);
        const [p = 0n] = indexWords(key, 32, 1);
        const view = new DataView(key.buffer, key.byteOffset, key.length);
        const found = new ServiceHash(seed).of(view, 0, 6, flowKey6.offsets, flags);
        if (flags === serviceFlag.SERVICE_F_AFFINITY) expect(found).toBe(hashOf(s, 0n, 0n, 0n, seed));
        else if (flags !== 0) expect(found).toBe(hashOf(s, d, 0n, BigInt(protocol), seed));
        else expect(found).toBe(hashOf(s, d, p, BigInt(protocol), seed));
      },
    ),
  );
});
