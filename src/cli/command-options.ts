/** The options that many commands share, so that each means the same everywhere. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GlobalOptions } from './context.ts';
import { OUTPUT_FORMATS, type OutputFormat } from './output-format.ts';
import type { PresentOptions } from './present.ts';

/** What commander makes of the options of a command that shows something. */
export interface ShowOptions extends GlobalOptions {
  readonly output: OutputFormat;
  readonly headers: boolean;
  readonly watch?: number;
  readonly sort?: string;
  readonly reverse?: boolean;
}

export function addShowOptions(command: Command, sortKeys?: readonly string[]): Command {
  command
    .addOption(new Option('-o, --output <format>', 'how to print').choices(OUTPUT_FORMATS).default('table'))
    .addOption(
      new Option('-w, --watch [seconds]', 'look again every so many seconds (2)')
        .preset('2')
        .argParser(parseWatch),
    )
    .option('--no-headers', 'rows only');
  if (sortKeys !== undefined) {
    command
      .addOption(new Option('--sort <key>', 'order; numbers from the largest').choices(sortKeys))
      .option('--reverse', 'the other way round');
  }
  return command;
}

export function presentOptions(options: ShowOptions): PresentOptions {
  return {
    output: options.output,
    headers: options.headers,
    ...(options.watch === undefined ? {} : { watch: options.watch }),
  };
}

export function parseTimeout(text: string): number {
  return parseSeconds(text, 0.1, 3600);
}

/** A whole number from 0. */
export function parseLimit(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number; 0 means all.');
  return Number(text);
}

function parseWatch(text: string): number {
  return parseSeconds(text, 0.1, 86_400);
}

function parseSeconds(text: string, min: number, max: number): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= min && seconds <= max)) {
    throw new InvalidArgumentError(`It must be a number of seconds, ${min} to ${max}.`);
  }
  return seconds;
}
