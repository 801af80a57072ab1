/** JSON and YAML of any view. The reader gets exact numbers, and the same texts that the agent has. */
import { escapeInQuotes, hasUnprintable } from './escape-text.ts';

export const OUTPUT_FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export function toJson(data: unknown): string {
  // JSON.stringify leaves DEL, C1 and bidirectional controls as they are; they only occur within quotes.
  return `${escapeInQuotes(JSON.stringify(data, undefined, 2))}\n`;
}

/** Imports the yaml package, which the other formats do without. */
export async function toYaml(data: unknown): Promise<string> {
  const { Document, visit } = await import('yaml');
  const document = new Document(data, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, scalar) {
      if (typeof scalar.value === 'string' && hasUnprintable(scalar.value)) scalar.type = 'QUOTE_DOUBLE';
    },
  });
  return escapeInQuotes(document.toString({ lineWidth: 0 }));
}
