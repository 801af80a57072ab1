/**
 * The seed of the flow hash and the Maglev tables, from the text of hash.seedFile: at least 16
 * hexadecimal digits, of which the first 16 count. Throws an Error that says what is wrong, without
 * the content: the file may be a Secret.
 */
export function parseHashSeed(text: string, file: string): bigint {
  const digits = text.trim().replace(/^0x/i, '');
  if (!/^[0-9a-fA-F]{16,}$/.test(digits)) {
    throw new Error(
      `${file}: must hold at least 16 hexadecimal digits and nothing else; ` +
        'make one with: openssl rand -hex 16',
    );
  }
  return BigInt(`0x${digits.slice(0, 16)}`);
}
