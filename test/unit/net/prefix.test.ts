import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, type IpAddress } from '../../../src/net/address.ts';
import {
  deviceAddressOf,
  formatPrefix,
  lastAddressOf,
  maskWords,
  networkOf,
  parseCidr,
  parsePrefix,
  prefixContains,
} from '../../../src/net/prefix.ts';

test.each([
  '10.1.0.0',
  '10.1.0.0/33',
  '10.1.0.0/',
  '10.1.0.0/-1',
  '10.1.0/24',
  '10.1.0.0/24/24',
  '10.1.0.0/2x',
  '2001:db8::/129',
  '2001:db8::',
])('%j is no prefix', (text) => expect(parseCidr(text)).toBeUndefined());

test('the bits behind a prefix do not count', () => {
  expect(formatPrefix(parsePrefix('10.1.0.7/24') ?? { network: 0, length: 0 })).toBe('10.1.0.0/24');
  expect(formatPrefix(parsePrefix('2001:db8::7/33') ?? { network: 0, length: 0 })).toBe('2001:db8::/33');
});

describe.each<[string, fc.Arbitrary<IpAddress>, number]>([
  ['IPv4', fc.nat(0xffffffff), 32],
  ['IPv6', fc.bigInt(0n, 2n ** 128n - 1n), 128],
])('prefixes of %s', (_, address, size) => {
  test('hold what begins as they do', () => {
    fc.assert(
      fc.property(address, address, fc.nat(size), (a, b, length) => {
        const prefix = { network: networkOf(a, length), length };
        const bits = (each: IpAddress) => each.toString(2).padStart(size, '0').slice(0, length);
        expect(prefixContains(prefix, a)).toBe(true);
        expect(prefixContains(prefix, b)).toBe(bits(a) === bits(b));
        const last = lastAddressOf(prefix);
        expect(prefixContains(prefix, last)).toBe(true);
        expect(last.toString(2).padStart(size, '0').slice(length)).toBe('1'.repeat(size - length));
      }),
    );
  });
});

test('a prefix holds nothing of the other family', () => {
  expect(prefixContains({ network: 0, length: 0 }, 1n)).toBe(false);
  expect(prefixContains({ network: 0n, length: 0 }, 1)).toBe(false);
});

test.each([
  [0, [0, 0, 0, 0]],
  [24, [0xffffff00, 0, 0, 0]],
  [32, [0xffffffff, 0, 0, 0]],
  [64, [0xffffffff, 0xffffffff, 0, 0]],
  [97, [0xffffffff, 0xffffffff, 0xffffffff, 0x80000000]],
  [128, [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff]],
])('the mask of /%i', (length, words) => expect(maskWords(length)).toEqual(words));

test.each([
  ['10.1.0.0/24', '10.1.0.1'],
  ['10.1.0.4/30', '10.1.0.5'],
  ['10.1.0.4/31', undefined],
  ['10.1.0.4/32', undefined],
  ['2001:db8:1::/64', '2001:db8:1::1'],
  ['2001:db8:1::4/126', '2001:db8:1::5'],
  ['2001:db8:1::4/127', undefined],
  ['2001:db8:1::4/128', undefined],
])('the VIP device holds of %s: %s', (text, expected) => {
  const held = deviceAddressOf(parsePrefix(text) ?? { network: 0, length: 32 });
  expect(held === undefined ? undefined : formatAddress(held)).toBe(expected);
});
