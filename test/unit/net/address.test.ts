import fc from 'fast-check';
import { Address6 } from 'ip-address';
import { describe, expect, test } from 'vitest';
import { addressNumber } from '../../../src/dataplane/address-number.ts';
import {
  addressOfWords,
  compareAddresses,
  familyOf,
  formatAddress,
  formatEndpoint,
  type IpAddress,
  isUnicast,
  parseAddress,
  readAddress,
  wordsOf,
} from '../../../src/net/address.ts';

/** IPv6 addresses with rows of zeros, which random ones never have. */
const six = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((address, group) => (address << 16n) | BigInt(group), 0n));
const address = fc.oneof<fc.Arbitrary<IpAddress>[]>(fc.nat(0xffffffff), six);

describe('text', () => {
  test('an address is written as the library writes it, and reads as itself', () => {
    fc.assert(
      fc.property(six, (each) => {
        const text = formatAddress(each);
        expect(text).toBe(Address6.fromBigInt(each).correctForm());
        expect(parseAddress(text)).toBe(each);
        expect(addressNumber(text)).toBe(each);
      }),
    );
  });

  test.each([
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:0:1::', '2001:db8:0:0:1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:2:3:0:5:6:7:8', '1:2:3:0:5:6:7:8'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::', '::'],
    ['10.1.0.2', '10.1.0.2'],
  ])('%s is %s', (text, canonical) => {
    const read = parseAddress(text);
    expect(read === undefined ? undefined : formatAddress(read)).toBe(canonical);
  });

  test.each([
    'fe80::1%eth0',
    '2001:db8::/32',
    '::1::',
    '1:2:3:4:5:6:7',
    '[::1]',
    'g::',
    ':',
    '10.1.0.02',
    '',
  ])('%j is no address', (text) => expect(parseAddress(text)).toBeUndefined());

  test.each([
    '2001:DB8::1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    ':1',
    '1:2:3:4:5:6:7:8::',
  ])('%j is not canonical', (text) => expect(() => addressNumber(text)).toThrow('canonical'));

  test('with a port', () => {
    expect(formatEndpoint(0x0a010002, 80)).toBe('10.1.0.2:80');
    expect(formatEndpoint(0x20010db8_00000000_00000000_00000001n, 80)).toBe('[2001:db8::1]:80');
  });
});

test('words are four, and lie in the maps as on the wire', () => {
  expect(wordsOf(0x0a010002)).toEqual([0x0a010002, 0, 0, 0]);
  fc.assert(
    fc.property(address, (each) => {
      const words = wordsOf(each);
      expect(addressOfWords(words, familyOf(each))).toBe(each);
      const bytes = new DataView(new ArrayBuffer(16));
      for (const [index, word] of words.entries()) bytes.setUint32(index * 4, word, false);
      expect(readAddress(bytes, 0, familyOf(each))).toBe(each);
    }),
  );
});

test('IPv4 comes before IPv6, then by number', () => {
  const sorted = [2n, 0xffffffff, 1n, 7].sort(compareAddresses);
  expect(sorted).toEqual([7, 0xffffffff, 1n, 2n]);
  expect(compareAddresses(5n, 5n)).toBe(0);
});

test.each([
  ['2001:db8::1', true],
  ['fd00::1', true],
  ['64:ff9b::1', true],
  ['::1', false],
  ['::', false],
  ['::ffff:10.0.0.1', false],
  ['fe80::1', false],
  ['febf::1', false],
  ['fec0::1', true],
  ['ff02::1', false],
  ['10.0.0.1', true],
  ['127.0.0.1', false],
])('isUnicast %s', (text, expected) => expect(isUnicast(parseAddress(text) ?? 0)).toBe(expected));
