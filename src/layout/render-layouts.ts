/** Turns layouts into the text of `generated.ts`. Pure and deterministic. */
import type { EnumLayout, Field, IntegerType, StructLayout } from './btf.ts';
import type { SharedHeader } from './shared-header.ts';

const HEAD = `/** Made by \`make build\` from the BTF of the compiled programs. Do not edit. */

/** Arrays must come in the length that the C struct has. */
function checkLength(field: string, values: { readonly length: number }, length: number): void {
  if (values.length !== length) {
    throw new RangeError(\`\${field} has \${values.length} elements, the C array has \${length}\`);
  }
}

function viewOf(bytes: Uint8Array, size: number, name: string): DataView {
  if (bytes.length < size) {
    throw new RangeError(\`\${bytes.length} bytes are too few for struct \${name}, which has \${size}\`);
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
`;

/** client_port -> clientPort */
export function camelCase(name: string): string {
  return name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** client_port -> ClientPort */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

/** DataView's name for an integer: `Uint16`, `BigUint64`. */
function accessor({ bytes, signed }: IntegerType): string {
  return `${bytes === 8 ? 'Big' : ''}${signed ? 'Int' : 'Uint'}${bytes * 8}`;
}

/** The machine's own order is little-endian: that is what BPF programs here are compiled for. */
function endianArgument({ bytes, bigEndian }: IntegerType): string {
  return bytes === 1 ? '' : `, ${!bigEndian}`;
}

function elementType(field: Field): string {
  if (field.type.kind === 'struct') return pascalCase(field.type.name);
  return field.type.bytes === 8 ? 'bigint' : 'number';
}

function readElement({ type }: Field, at: string): string {
  if (type.kind === 'struct') return `${camelCase(type.name)}.read(view, ${at})`;
  return `view.get${accessor(type)}(${at}${endianArgument(type)})`;
}

function writeElement({ type }: Field, at: string, value: string): string {
  if (type.kind === 'struct') return `${camelCase(type.name)}.write(view, ${at}, ${value})`;
  return `view.set${accessor(type)}(${at}, ${value}${endianArgument(type)})`;
}

function place(offset: number): string {
  return offset === 0 ? 'at' : `at + ${offset}`;
}

function readField(field: Field): string {
  const name = camelCase(field.name);
  if (field.length === undefined) return `${name}: ${readElement(field, place(field.offset))},`;
  const element = readElement(field, `${place(field.offset)} + i * ${field.type.bytes}`);
  return `${name}: Array.from({ length: ${field.length} }, (_, i) => ${element}),`;
}

function writeField(struct: StructLayout, field: Field): string[] {
  const name = camelCase(field.name);
  if (field.length === undefined) {
    return [`${writeElement(field, place(field.offset), `value.${name}`)};`];
  }
  const at = `${place(field.offset)} + i * ${field.type.bytes}`;
  const write = writeElement(field, at, `value.${name}[i] as ${elementType(field)}`);
  return [
    `checkLength('${struct.name}.${field.name}', value.${name}, ${field.length});`,
    `for (let i = 0; i < ${field.length}; i++) ${write};`,
  ];
}

export function renderStruct(struct: StructLayout): string {
  const type = pascalCase(struct.name);
  const members = struct.fields.map(
    (field) => `  ${camelCase(field.name)}: ${elementType(field)}${field.length === undefined ? '' : '[]'};`,
  );
  const offsets = struct.fields.map((field) => `${camelCase(field.name)}: ${field.offset}`);
  return [
    `/** struct ${struct.name}, ${struct.size} bytes */`,
    `export interface ${type} {`,
    ...members,
    '}',
    '',
    `export const ${camelCase(struct.name)} = {`,
    `  size: ${struct.size},`,
    `  offsets: { ${offsets.join(', ')} },`,
    `  read(view: DataView, at: number): ${type} {`,
    '    return {',
    ...struct.fields.map((field) => `      ${readField(field)}`),
    '    };',
    '  },',
    `  write(view: DataView, at: number, value: ${type}): void {`,
    ...struct.fields.flatMap((field) => writeField(struct, field)).map((line) => `    ${line}`),
    '  },',
    `  encode(value: ${type}): Uint8Array {`,
    `    const bytes = new Uint8Array(${struct.size});`,
    `    ${camelCase(struct.name)}.write(new DataView(bytes.buffer), 0, value);`,
    '    return bytes;',
    '  },',
    `  decode(bytes: Uint8Array): ${type} {`,
    `    return ${camelCase(struct.name)}.read(viewOf(bytes, ${struct.size}, '${struct.name}'), 0);`,
    '  },',
    '} as const;',
    '',
  ].join('\n');
}

/**
 * The names leave out the count at the end (`DROP_REASONS` of `drop_reason`), which is no value. Enums
 * that number from 0 without a gap get an array of names, others a record.
 */
export function renderEnum(layout: EnumLayout): string {
  const name = camelCase(layout.name);
  const count = `${layout.name.toUpperCase()}S`;
  const named = layout.values.filter((value) => value.name !== count);
  const dense = named.every((value, index) => value.value === index);
  const names = dense
    ? [
        `export const ${name}Names: readonly string[] = [`,
        ...named.map((value) => `  '${value.name}',`),
        '];',
      ]
    : [
        `export const ${name}Names: Readonly<Record<number, string>> = {`,
        ...named.map((value) => `  ${value.value}: '${value.name}',`),
        '};',
      ];
  return [
    `/** enum ${layout.name} */`,
    `export const ${name} = {`,
    ...layout.values.map((value) => `  ${value.name}: ${value.value},`),
    '} as const;',
    '',
    ...names,
    '',
  ].join('\n');
}

function renderConstants(constants: SharedHeader['constants']): string {
  const lines = constants.map(({ name, value }) => `export const ${name} = ${value};`);
  return ['/** Number macros of the shared headers. */', ...lines, ''].join('\n');
}

export function renderLayouts(
  structs: readonly StructLayout[],
  enums: readonly EnumLayout[],
  constants: SharedHeader['constants'],
): string {
  return [HEAD, renderConstants(constants), ...enums.map(renderEnum), ...structs.map(renderStruct)].join(
    '\n',
  );
}
