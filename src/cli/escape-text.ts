/**
 * Names come from manifests that anybody may have written. What could move the cursor, change colours or
 * reorder a line is shown as an escape instead: `\x1b`, `\u202e`.
 */

// C0, DEL and C1; soft hyphen, Arabic letter mark, zero-width and bidirectional controls; line and paragraph
// separators; byte order mark; surrogates without a partner.
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The text on one line, with nothing in it that a terminal acts on. */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/** As {@link escapeText}, but line ends stay. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeText).join('\n');
}

/** As JSON and YAML's double-quoted strings write it: `\u001b`; the reader gets the same text back. */
export function escapeInQuotes(text: string): string {
  return text.replace(UNPRINTABLE, (character) =>
    character === '\n' ? character : escapeUnicode(character),
  );
}

export function hasUnprintable(text: string): boolean {
  return text.search(UNPRINTABLE) !== -1;
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : escapeUnicode(character);
}

function escapeUnicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
