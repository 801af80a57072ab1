/** Prints a view once, or again and again with --watch. */
import { CliError } from './cli-error.ts';
import { type Context, type Looks, loadFrom } from './context.ts';
import { truncateToWidth } from './display-width.ts';
import { escapeText } from './escape-text.ts';
import { writeNote } from './host.ts';
import { type OutputFormat, toJson, toYaml } from './output-format.ts';
import type { Source } from './source.ts';
import { isUnicodeLocale, makeStyler, wantsColours } from './style.ts';
import type { Layout } from './table.ts';

export interface PresentOptions {
  readonly output: OutputFormat;
  readonly headers: boolean;
  /** Seconds between two looks; undefined: one look. */
  readonly watch?: number;
}

export interface Frame<T> extends Layout {
  readonly wide: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What --watch saw the last time, for rates. */
  readonly previous: { readonly data: T; readonly seconds: number } | undefined;
}

export interface View<T> {
  load(source: Source): Promise<T>;
  /** Lines, each with its end. */
  render(data: T, frame: Frame<T>): string;
  /** Remarks for stderr: what was left out, or that there is nothing. */
  notes?(data: T): readonly string[];
  /** What json and yaml show; default the data itself. */
  plain?(data: T): unknown;
}

interface Look<T> {
  readonly data: T;
  readonly at: number;
}

export async function present<T>(context: Context, options: PresentOptions, view: View<T>): Promise<void> {
  if (options.watch === undefined) {
    const data = await loadFrom(context, view.load);
    await context.host.stdout.write(await renderView(context, options, view, data, undefined));
    for (const note of view.notes?.(data) ?? []) writeNote(context.host, `lbctl: ${note}`);
    return;
  }
  await watch(context, options, options.watch, view);
}

async function watch<T>(
  context: Context,
  options: PresentOptions,
  seconds: number,
  view: View<T>,
): Promise<void> {
  const { host } = context;
  const redraws = host.stdout.isTerminal && (options.output === 'table' || options.output === 'wide');
  const kept: Looks = {};
  let previous: Look<T> | undefined;
  let looks = 0;
  try {
    while (!host.interrupted.aborted) {
      try {
        const data = await loadFrom(context, view.load, kept);
        const text = await renderView(context, options, view, data, previous);
        previous = { data, at: host.now() };
        host.stdout.write(
          redraws ? screen(context, seconds, text, looks === 0) : separator(options, looks) + text,
        );
        looks += 1;
      } catch (error) {
        // A first failure is an answer; later ones may pass, as when the agent restarts.
        if (looks === 0 || !(error instanceof CliError)) throw error;
        writeNote(host, `lbctl: ${error.message} Trying again in ${seconds} s.`);
      }
      if (!host.interrupted.aborted) await host.sleep(seconds * 1000);
    }
  } finally {
    if (redraws) host.stdout.write(SHOW_CURSOR);
  }
}

async function renderView<T>(
  context: Context,
  options: PresentOptions,
  view: View<T>,
  data: T,
  previous: Look<T> | undefined,
): Promise<string> {
  if (options.output === 'json') return toJson(view.plain === undefined ? data : view.plain(data));
  if (options.output === 'yaml') return toYaml(view.plain === undefined ? data : view.plain(data));
  const { host } = context;
  const now = host.now();
  return view.render(data, {
    styler: makeStyler(wantsColours(host.stdout.isTerminal, context.options.color, host.env)),
    headers: options.headers,
    width: host.stdout.isTerminal ? host.stdout.columns : undefined,
    unicode: isUnicodeLocale(host.env),
    wide: options.output === 'wide',
    now,
    previous: previous && { data: previous.data, seconds: (now - previous.at) / 1000 },
  });
}

function separator(options: PresentOptions, looks: number): string {
  if (options.output === 'yaml') return '---\n';
  return looks === 0 || options.output === 'json' ? '' : '\n';
}

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_SCREEN = '\x1b[2J';
const HOME = '\x1b[H';
const CLEAR_TO_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Overwrites line by line instead of clearing first, so that nothing flickers. */
function screen(context: Context, seconds: number, text: string, first: boolean): string {
  const { stdout } = context.host;
  const time = new Date(context.host.now()).toISOString().slice(11, 19);
  const lines = [
    `Every ${seconds} s, Ctrl-C ends.   ${escapeText(time)} UTC`,
    '',
    ...text.trimEnd().split('\n'),
  ];
  const room = Math.max(3, (stdout.rows ?? Number.POSITIVE_INFINITY) - 1);
  if (lines.length > room) {
    const hidden = lines.length - room + 1;
    lines.splice(room - 1, hidden, truncateToWidth(`(${hidden} more lines)`, stdout.columns ?? 80));
  }
  const body = lines.map((line) => `${line}${CLEAR_TO_LINE_END}\n`).join('');
  return (first ? HIDE_CURSOR + CLEAR_SCREEN : '') + HOME + body + CLEAR_BELOW;
}
