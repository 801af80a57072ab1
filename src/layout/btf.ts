/**
 * Reads what `bpftool -j btf dump` prints into plain descriptions of structs and enums. Pure.
 *
 * Only what crosses the kernel boundary here is understood: unsigned and signed integers, `__beN`, arrays of
 * one dimension, nested structs, enums. Anything else (bit fields, unions, pointers) is an error that names
 * the field.
 */

export interface IntegerType {
  readonly kind: 'integer';
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  /** The field holds the bytes as they are on the wire (`__be16`, `__be32`, `__be64`). */
  readonly bigEndian: boolean;
}

export interface StructReference {
  readonly kind: 'struct';
  readonly name: string;
  readonly bytes: number;
}

export type ScalarType = IntegerType | StructReference;

export interface Field {
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly type: ScalarType;
  /** Number of elements; undefined if the field is no array. */
  readonly length?: number;
}

export interface StructLayout {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly Field[];
}

export interface EnumLayout {
  readonly name: string;
  readonly values: ReadonlyArray<{ readonly name: string; readonly value: number }>;
}

interface BtfMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
  readonly bitfield_size?: number;
}

interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly encoding?: string;
  readonly members?: readonly BtfMember[];
  readonly values?: ReadonlyArray<{ readonly name: string; readonly val: number }>;
}

export interface BtfDump {
  readonly types: readonly BtfType[];
}

/** Type descriptions by id and by name of one BTF dump. */
export class Btf {
  readonly #byId: ReadonlyMap<number, BtfType>;

  constructor(dump: BtfDump) {
    this.#byId = new Map(dump.types.map((type) => [type.id, type]));
  }

  /** Throws when the dump has no such struct, or a field that has no counterpart in TypeScript. */
  struct(name: string): StructLayout {
    const type = this.#named('STRUCT', name);
    const fields = (type.members ?? []).map((member) => this.#field(name, member));
    return { name, size: type.size ?? 0, fields };
  }

  /** Throws when the dump has no such enum. */
  enum(name: string): EnumLayout {
    const type = this.#named('ENUM', name);
    return { name, values: (type.values ?? []).map(({ name, val }) => ({ name, value: val })) };
  }

  #named(kind: string, name: string): BtfType {
    for (const type of this.#byId.values()) {
      if (type.kind === kind && type.name === name) return type;
    }
    throw new Error(
      `no ${kind.toLowerCase()} ${name} in the object's BTF: a program must use it, or name it (see bpf/exported_types.h)`,
    );
  }

  #field(struct: string, member: BtfMember): Field {
    const where = `struct ${struct}, field ${member.name}`;
    if (member.bitfield_size) throw new Error(`${where}: bit fields have no layout in TypeScript`);
    const { type, bigEndian } = this.#resolve(member.type_id);
    const offset = member.bits_offset / 8;
    if (type.kind !== 'ARRAY') {
      return { name: member.name, offset, type: this.#scalar(where, type, bigEndian) };
    }
    const element = this.#resolve(type.type_id ?? 0);
    return {
      name: member.name,
      offset,
      type: this.#scalar(where, element.type, element.bigEndian),
      length: type.nr_elems ?? 0,
    };
  }

  /** Follows typedefs and qualifiers; a `__beN` anywhere on the way makes the integer big-endian. */
  #resolve(id: number): { type: BtfType; bigEndian: boolean } {
    let bigEndian = false;
    let type = this.#byId.get(id);
    while (type && ['TYPEDEF', 'CONST', 'VOLATILE', 'TYPE_TAG'].includes(type.kind)) {
      if (type.kind === 'TYPEDEF' && /^__be(16|32|64)$/.test(type.name)) bigEndian = true;
      type = this.#byId.get(type.type_id ?? 0);
    }
    if (!type) throw new Error(`the BTF names a type ${id} that it does not have`);
    return { type, bigEndian };
  }

  #scalar(where: string, type: BtfType, bigEndian: boolean): ScalarType {
    const bytes = type.size ?? 0;
    if (type.kind === 'STRUCT') return { kind: 'struct', name: type.name, bytes };
    const known = bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;
    if (known && type.kind === 'INT') {
      return { kind: 'integer', bytes, signed: (type.encoding ?? '').includes('SIGNED'), bigEndian };
    }
    if (known && type.kind === 'ENUM') return { kind: 'integer', bytes, signed: false, bigEndian };
    throw new Error(`${where}: ${type.kind} of ${bytes} bytes has no layout in TypeScript`);
  }
}
