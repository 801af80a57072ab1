import { styleText } from 'node:util';

/** What a text means; how that looks is decided here alone. */
export type Style = 'plain' | 'header' | 'good' | 'attention' | 'bad' | 'quiet';

/** Dresses a text up, or leaves it as it is when colours are off. */
export type Styler = (style: Style, text: string) => string;

const FORMATS = {
  header: 'bold',
  good: 'green',
  attention: 'yellow',
  bad: 'red',
  quiet: 'gray',
} as const;

/** @param colours false: every text stays as it is. */
export function makeStyler(colours: boolean): Styler {
  if (!colours) return (_style, text) => text;
  return (style, text) =>
    // Whether to colour was decided by the caller; styleText would look at this process's stdout again.
    style === 'plain' ? text : styleText(FORMATS[style], text, { validateStream: false });
}

/** Colours are for a terminal, unless --no-color, NO_COLOR (no-color.org: any value but empty) or TERM=dumb. */
export function wantsColours(
  isTerminal: boolean,
  colourOption: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return isTerminal && colourOption && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}

/** Whether the locale's characters are UTF-8, by POSIX's order of variables. */
export function isUnicodeLocale(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return /utf-?8/i.test(locale);
}
