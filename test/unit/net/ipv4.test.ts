import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatIpv4, isUnicast4, parseIpv4 } from '../../../src/net/ipv4.ts';

test('an address reads as it is written', () => {
  expect(parseIpv4('10.1.0.2')).toBe(0x0a010002);
  expect(parseIpv4('255.255.255.255')).toBe(0xffffffff);
  fc.assert(fc.property(fc.nat(0xffffffff), (each) => parseIpv4(formatIpv4(each)) === each));
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
  ['0.0.0.1', false],
  ['1.0.0.0', true],
  ['126.255.255.255', true],
  ['127.0.0.1', false],
  ['128.0.0.0', true],
  ['223.255.255.255', true],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
])('isUnicast4 %s', (text, expected) => expect(isUnicast4(parseIpv4(text) ?? 0)).toBe(expected));
