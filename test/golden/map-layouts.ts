/**
 * What the pinned maps hold, by the BTF of build/layouts.bpf.o: types of keys and values with all that is in
 * them, and the numbers that they hold. A later agent takes the maps over, so for one LAYOUT_VERSION nothing
 * of this changes; sizes are compared by the agent itself.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Btf, type BtfDump, type Field } from '../../src/layout/btf.ts';
import { readSharedHeader } from '../../src/layout/shared-header.ts';

export interface MapLayouts {
  readonly layoutVersion: number;
  /** `type 1, key node_flow_key, value node_flow` */
  readonly maps: Readonly<Record<string, string>>;
  /** `0: __be32[4] vip` */
  readonly structs: Readonly<Record<string, readonly string[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly constants: Readonly<Record<string, number>>;
}

const fileAt = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const HEADERS = ['bpf/counter_types.h', 'bpf/recent_types.h', 'bpf/types.h', 'bpf/node_types.h'];

/** Part of what bpftool prints. */
interface Type {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly members?: ReadonlyArray<{ readonly name: string; readonly type_id: number }>;
  readonly vars?: ReadonlyArray<{ readonly type_id: number }>;
}

/** How many there are of something: more may come behind the others, for which the maps have room. */
const COUNT = /^MAX_|_(REASONS|KINDS|STATES|MODES|EVENTS)$/;

/** As the build has it. */
export function readMapLayouts(): MapLayouts {
  const object = fileAt('build/layouts.bpf.o').pathname;
  const json = execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', object], { maxBuffer: 64 << 20 });
  const dump = JSON.parse(json.toString()) as BtfDump & { readonly types: readonly Type[] };
  const btf = new Btf(dump);
  const structs: Record<string, string[]> = {};
  const addStruct = (name: string): void => {
    if (structs[name] !== undefined) return;
    const { size, fields } = btf.struct(name);
    structs[name] = [...fields.map(fieldText), `${size}: end`];
    for (const { type } of fields) if (type.kind === 'struct') addStruct(type.name);
  };
  const maps = readMaps(dump.types, addStruct);
  const header = readSharedHeader(HEADERS.map((path) => readFileSync(fileAt(path), 'utf8')).join('\n'));
  const enums = header.enums.map((name) => [name, valuesOf(btf, name)] as const);
  const { LAYOUT_VERSION: layoutVersion = 0 } = valuesOf(btf, 'layout');
  return {
    layoutVersion,
    maps,
    structs,
    enums: Object.fromEntries(enums.filter(([name]) => name !== 'layout')),
    constants: withoutCounts(header.constants),
  };
}

const valuesOf = (btf: Btf, name: string): Record<string, number> => withoutCounts(btf.enum(name).values);

function withoutCounts(
  values: ReadonlyArray<{ readonly name: string; readonly value: number }>,
): Record<string, number> {
  return Object.fromEntries(
    values.filter(({ name }) => !COUNT.test(name)).map(({ name, value }) => [name, value]),
  );
}

function fieldText({ name, offset, type, length }: Field): string {
  const text =
    type.kind === 'struct'
      ? type.name
      : `__${type.bigEndian ? 'be' : type.signed ? 's' : 'u'}${type.bytes * 8}`;
  return `${offset}: ${text}${length === undefined ? '' : `[${length}]`} ${name}`;
}

function readMaps(types: readonly Type[], addStruct: (name: string) => void): Record<string, string> {
  const byId = new Map(types.map((type) => [type.id, type]));
  const follow = (id: number | undefined): Type => {
    const type = byId.get(id ?? 0);
    if (type === undefined) throw new Error(`the BTF has no type ${id}`);
    return type.kind === 'TYPEDEF' || type.kind === 'PTR' ? follow(type.type_id) : type;
  };
  const variables = types.find(({ kind, name }) => kind === 'DATASEC' && name === '.maps')?.vars ?? [];
  const maps = variables.map(({ type_id }) => {
    const { name, type_id: of } = byId.get(type_id) as Type;
    const parts = (follow(of).members ?? []).flatMap((member) => {
      const type = follow(member.type_id);
      if (member.name === 'key' || member.name === 'value') {
        if (type.kind === 'STRUCT') addStruct(type.name);
        return [`${member.name} ${type.name}`];
      }
      return ['type', 'map_flags'].includes(member.name) ? [`${member.name} ${type.nr_elems}`] : [];
    });
    return [name, parts.join(', ')] as const;
  });
  return Object.fromEntries([...maps].sort(([a], [b]) => (a < b ? -1 : 1)));
}
