import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  deviceAddressOf,
  formatIpv4,
  isIpv6,
  isUnicast,
  networkOf,
  parseCidr4,
  parseIpv4,
  prefixContains,
  prefixSize,
} from '../../../src/net/ipv4.ts';

const address = fc.nat(0xffffffff);

test('an address reads as it is written', () => {
  expect(parseIpv4('10.1.0.2')).toBe(0x0a010002);
  expect(parseIpv4('255.255.255.255')).toBe(0xffffffff);
  fc.assert(fc.property(address, (each) => parseIpv4(formatIpv4(each)) === each));
});

test.each([
  '',
  '10.1.0',
  '10.1.0.256',
  '010.1.0.2',
  '10.1.0.2/24',
  ' 10.1.0.2',
  '0x0a.1.0.2',
  '10.1.0.2.3',
  '::1',
  'a',
])('%j is no address', (text) => expect(parseIpv4(text)).toBeUndefined());

test.each([
  '10.1.0.0',
  '10.1.0.0/33',
  '10.1.0.0/',
  '10.1.0.0/-1',
  '10.1.0/24',
  '10.1.0.0/24/24',
  '10.1.0.0/2x',
])('%j is no prefix', (text) => expect(parseCidr4(text)).toBeUndefined());

test.each([
  ['fd00::1', true],
  ['::', true],
  ['10.1.0.2', false],
  ['fd00::/64', false],
  ['fd00::g', false],
])('isIpv6(%j)', (text, expected) => expect(isIpv6(text)).toBe(expected));

describe('prefixes', () => {
  test('hold what begins as they do', () => {
    fc.assert(
      fc.property(address, address, fc.nat(32), (a, b, length) => {
        const prefix = { network: networkOf(a, length), length };
        const bits = (each: number) => each.toString(2).padStart(32, '0').slice(0, length);
        expect(prefixContains(prefix, a)).toBe(true);
        expect(prefixContains(prefix, b)).toBe(bits(a) === bits(b));
        expect(prefixContains(prefix, prefix.network + prefixSize(prefix) - 1)).toBe(true);
      }),
    );
  });

  test.each([
    ['10.1.0.0/24', '10.1.0.1'],
    ['10.1.0.4/30', '10.1.0.5'],
    ['10.1.0.4/31', undefined],
    ['10.1.0.4/32', undefined],
  ])('the VIP device holds of %s: %s', (text, expected) => {
    const { address: network = 0, length = 0 } = parseCidr4(text) ?? {};
    const held = deviceAddressOf({ network, length });
    expect(held === undefined ? undefined : formatIpv4(held)).toBe(expected);
  });
});

test.each([
  ['0.0.0.1', false],
  ['1.0.0.0', true],
  ['126.255.255.255', true],
  ['127.0.0.1', false],
  ['128.0.0.0', true],
  ['223.255.255.255', true],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
])('isUnicast %s', (text, expected) => expect(isUnicast(parseIpv4(text) ?? 0)).toBe(expected));
