import { describe, expect, it } from 'vitest';
import { Btf, type BtfDump } from '../../../src/layout/btf.ts';

/** struct sample { __be16 port; u8 mac[6]; u64 word; struct inner in; enum mode mode; __be32 addr[4]; } */
const dump = {
  types: [
    { id: 1, kind: 'INT', name: 'unsigned char', size: 1, encoding: '(none)' },
    { id: 2, kind: 'INT', name: 'unsigned short', size: 2, encoding: '(none)' },
    { id: 3, kind: 'TYPEDEF', name: '__u16', type_id: 2 },
    { id: 4, kind: 'TYPEDEF', name: '__be16', type_id: 3 },
    { id: 5, kind: 'INT', name: 'unsigned int', size: 4, encoding: '(none)' },
    { id: 6, kind: 'TYPEDEF', name: '__be32', type_id: 5 },
    { id: 7, kind: 'INT', name: 'long long', size: 8, encoding: 'SIGNED' },
    { id: 8, kind: 'ARRAY', name: '(anon)', type_id: 1, nr_elems: 6 },
    { id: 9, kind: 'ARRAY', name: '(anon)', type_id: 6, nr_elems: 4 },
    { id: 10, kind: 'STRUCT', name: 'inner', size: 4, members: [] },
    { id: 11, kind: 'ENUM', name: 'mode', size: 4, values: [{ name: 'MODE_A', val: 0 }] },
    { id: 12, kind: 'VOLATILE', name: '(anon)', type_id: 4 },
    { id: 13, kind: 'PTR', name: '(anon)', type_id: 5 },
    {
      id: 20,
      kind: 'STRUCT',
      name: 'sample',
      size: 40,
      members: [
        { name: 'port', type_id: 12, bits_offset: 0 },
        { name: 'mac', type_id: 8, bits_offset: 16 },
        { name: 'word', type_id: 7, bits_offset: 64 },
        { name: 'in', type_id: 10, bits_offset: 128 },
        { name: 'mode', type_id: 11, bits_offset: 160 },
        { name: 'addr', type_id: 9, bits_offset: 192 },
      ],
    },
    {
      id: 21,
      kind: 'STRUCT',
      name: 'pointing',
      size: 8,
      members: [{ name: 'to', type_id: 13, bits_offset: 0 }],
    },
    {
      id: 22,
      kind: 'STRUCT',
      name: 'bits',
      size: 4,
      members: [{ name: 'low', type_id: 5, bits_offset: 0, bitfield_size: 3 }],
    },
  ],
} satisfies BtfDump;
const btf = new Btf(dump);

describe('Btf', () => {
  it('resolves typedefs, qualifiers, arrays, structs and enums', () => {
    const integer = { kind: 'integer', signed: false, bigEndian: false };
    expect(btf.struct('sample')).toEqual({
      name: 'sample',
      size: 40,
      fields: [
        { name: 'port', offset: 0, type: { ...integer, bytes: 2, bigEndian: true } },
        { name: 'mac', offset: 2, type: { ...integer, bytes: 1 }, length: 6 },
        { name: 'word', offset: 8, type: { ...integer, bytes: 8, signed: true } },
        { name: 'in', offset: 16, type: { kind: 'struct', name: 'inner', bytes: 4 } },
        { name: 'mode', offset: 20, type: { ...integer, bytes: 4 } },
        { name: 'addr', offset: 24, type: { ...integer, bytes: 4, bigEndian: true }, length: 4 },
      ],
    });
  });

  it('reads enums', () => {
    expect(btf.enum('mode')).toEqual({ name: 'mode', values: [{ name: 'MODE_A', value: 0 }] });
  });

  it('names what is missing', () => {
    expect(() => btf.struct('flow')).toThrow('no struct flow');
    expect(() => btf.enum('inner')).toThrow('no enum inner');
  });

  it('refuses what has no counterpart, naming the field', () => {
    expect(() => btf.struct('pointing')).toThrow('struct pointing, field to: PTR');
    expect(() => btf.struct('bits')).toThrow('struct bits, field low: bit fields');
  });
});
