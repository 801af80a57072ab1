/**
 * What `bpf/types.h` and `bpf/maps.h` share with TypeScript: the names of its structs and enums, in the headers' order, and
 * its plain number macros. The layouts themselves come from BTF; macros are not in BTF. Pure.
 */
export interface SharedHeader {
  readonly structs: readonly string[];
  readonly enums: readonly string[];
  /** `#define NAME 123` and `#define NAME 0x7f`; others are not shared. */
  readonly constants: ReadonlyArray<{ readonly name: string; readonly value: number }>;
}

export function readSharedHeader(text: string): SharedHeader {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  const names = (pattern: RegExp) => Array.from(code.matchAll(pattern), (match) => match[1] ?? '');
  const constants = Array.from(
    code.matchAll(/^#define[ \t]+([A-Z]\w*)[ \t]+(0x[0-9a-fA-F]+|\d+)[ \t]*$/gm),
    (match) => ({ name: match[1] ?? '', value: Number(match[2]) }),
  );
  return {
    structs: names(/^struct\s+(\w+)\s*\{/gm),
    enums: names(/^enum\s+(\w+)\s*\{/gm),
    constants,
  };
}
