import { describe, expect, it } from 'vitest';
import type { StructLayout } from '../../../src/layout/btf.ts';
import * as generated from '../../../src/layout/generated.ts';
import { camelCase, pascalCase, renderEnum, renderStruct } from '../../../src/layout/render-layouts.ts';
import { readSharedHeader } from '../../../src/layout/shared-header.ts';

describe('names', () => {
  it.each([
    ['client_port', 'clientPort', 'ClientPort'],
    ['flow_key4', 'flowKey4', 'FlowKey4'],
    ['service', 'service', 'Service'],
  ])('%s', (name, camel, pascal) => {
    expect(camelCase(name)).toBe(camel);
    expect(pascalCase(name)).toBe(pascal);
  });
});

describe('renderStruct', () => {
  const struct: StructLayout = {
    name: 'a_pair',
    size: 24,
    fields: [
      { name: 'the_port', offset: 0, type: { kind: 'integer', bytes: 2, signed: false, bigEndian: true } },
      { name: 'word', offset: 8, type: { kind: 'integer', bytes: 8, signed: false, bigEndian: false } },
      {
        name: 'mac',
        offset: 16,
        type: { kind: 'integer', bytes: 1, signed: false, bigEndian: false },
        length: 6,
      },
    ],
  };
  const text = renderStruct(struct);

  it.each([
    'export interface APair {',
    '  word: bigint;',
    '  mac: number[];',
    'export const aPair = {',
    '  offsets: { thePort: 0, word: 8, mac: 16 },',
    'thePort: view.getUint16(at, false),',
    'word: view.getBigUint64(at + 8, true),',
    'mac: Array.from({ length: 6 }, (_, i) => view.getUint8(at + 16 + i * 1)),',
  ])('has %s', (line) => {
    expect(text).toContain(line);
  });
});

describe('renderEnum', () => {
  const layout = (name: string, ...values: Array<[string, number]>) => ({
    name,
    values: values.map(([key, value]) => ({ name: key, value })),
  });

  it('leaves the count out of the names', () => {
    const text = renderEnum(layout('drop_reason', ['DROP_NONE', 0], ['DROP_TTL', 1], ['DROP_REASONS', 2]));
    expect(text).toContain("readonly string[] = [\n  'DROP_NONE',\n  'DROP_TTL',\n];");
    expect(text).toContain('  DROP_REASONS: 2,');
  });

  it('makes a record of names when the numbers have gaps', () => {
    const text = renderEnum(layout('family', ['NONE', 0], ['V4', 4]));
    expect(text).toContain("Record<number, string>> = {\n  0: 'NONE',\n  4: 'V4',\n};");
  });
});

describe('readSharedHeader', () => {
  it('finds structs, enums and numbers in their order, not what is in comments', () => {
    const header = readSharedHeader(
      '/* struct old {\n */\nenum mode { A };\nstruct b {\n\tstruct a a;\n};\nstruct a {\n};\n' +
        'struct c;\n#define SHIFT 24\n#define MASK 0xf\t/* low */\n#define MAX(a, b) 7\n#define TEXT "x"\n',
    );
    expect(header).toEqual({
      structs: ['b', 'a'],
      enums: ['mode'],
      constants: [
        { name: 'SHIFT', value: 24 },
        { name: 'MASK', value: 15 },
      ],
    });
  });
});

describe('the generated layouts', () => {
  const { frontendKey, lbConfig, service, nextHop } = generated;
  const key = { addr: [0x0a010002, 0, 0, 0], port: 443, protocol: 6, family: 4 };

  it('write addresses and ports as they are on the wire', () => {
    const bytes = frontendKey.encode(key);
    expect(Array.from(bytes.subarray(0, 4))).toEqual([10, 1, 0, 2]);
    expect(Array.from(bytes.subarray(16))).toEqual([1, 187, 6, 4]);
    expect(frontendKey.decode(bytes)).toEqual(key);
  });

  it('write words in the machine’s order and structs inside structs', () => {
    const value = {
      key,
      flags: 1,
      table: 0x0102030405060708n,
      oldest: 5n,
      generation: 7,
      windowStart: 1,
      windowTcp: 2,
      windowUdp: 3,
      reserved: [1, 2],
    };
    const bytes = service.encode(value);
    expect(bytes).toHaveLength(64);
    expect(bytes[service.offsets.table]).toBe(8);
    expect(service.decode(bytes)).toEqual(value);
  });

  it('read and write at an offset of a larger view, and nothing beside it', () => {
    const view = new DataView(new ArrayBuffer(192));
    const value = { ...nextHop.read(view, 64), dmac: [1, 2, 3, 4, 5, 6], vlan: 7 };
    nextHop.write(view, 64, value);
    expect(nextHop.read(view, 64)).toEqual(value);
    expect(new Uint8Array(view.buffer, 0, 64).every((byte) => byte === 0)).toBe(true);
    expect(new Uint8Array(view.buffer, 128).every((byte) => byte === 0)).toBe(true);
  });

  it('handle arrays of structs', () => {
    const value = lbConfig.decode(new Uint8Array(lbConfig.size));
    expect(value.vip4).toHaveLength(generated.MAX_VIP_RANGES);
    value.vip4[1] = { network: 0x0a010000, mask: 0xffffff00 };
    expect(lbConfig.decode(lbConfig.encode(value))).toEqual(value);
  });

  it('refuse an array of another length and bytes that are too few', () => {
    expect(() => frontendKey.encode({ ...key, addr: [1] })).toThrow('addr has 1 elements, the C array has 4');
    expect(() => frontendKey.decode(new Uint8Array(19))).toThrow(
      '19 bytes are too few for struct frontend_key',
    );
  });
});
