/** What could stand where the cursor is; the shells' scripts ask for it by the hidden command `__complete`. */
import type { Argument, Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** The shell should offer its own files here. */
  readonly files: boolean;
}

/** Values that only the agent knows; given the global options typed so far, by their long name. */
export type ServiceNames = (options: ReadonlyMap<string, string>) => Promise<readonly Candidate[]>;

const FILE_VALUES = new Set(['path', 'file']);

/** @param words what stands behind the program's name, the last one being the one at the cursor. */
export async function completeWords(
  program: Command,
  words: readonly string[],
  serviceNames: ServiceNames,
): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const { command, positionals, pending, values } = walk(program, words.slice(0, -1));

  if (pending !== undefined) return matching(await valuesOf(pending, serviceNames, values), current, '');
  const [, name, written] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  if (name !== undefined && written !== undefined) {
    const option = findOption(command, name);
    if (option === undefined) return { candidates: [], files: false };
    return matching(await valuesOf(option, serviceNames, values), written, `${name}=`);
  }
  if (current.startsWith('-'))
    return matching({ candidates: optionCandidates(command), files: false }, current, '');
  if (command.commands.length > 0 && positionals === 0) {
    const commands = command.commands.filter((child) => !child.name().startsWith('__'));
    const candidates = commands.map((child) => ({ value: child.name(), description: child.description() }));
    return matching({ candidates, files: false }, current, '');
  }
  const argument = command.registeredArguments[positionals];
  if (argument === undefined) return { candidates: [], files: false };
  return matching(await valuesOf(argument, serviceNames, values), current, '');
}

interface Walked {
  readonly command: Command;
  /** Arguments of the command that stand before the cursor. */
  readonly positionals: number;
  /** The option whose value stands at the cursor. */
  readonly pending: Option | undefined;
  readonly values: ReadonlyMap<string, string>;
}

function walk(program: Command, words: readonly string[]): Walked {
  let command = program;
  let positionals = 0;
  let pending: Option | undefined;
  const values = new Map<string, string>();
  for (const word of words) {
    if (pending !== undefined) {
      values.set(pending.attributeName(), word);
      pending = undefined;
    } else if (word.startsWith('-') && word !== '-') {
      const [name = '', written] = splitOnce(word);
      const option = findOption(command, name);
      if (option?.required === true && written === undefined) pending = option;
      else if (option !== undefined && written !== undefined) values.set(option.attributeName(), written);
    } else {
      const child = command.commands.find((known) => known.name() === word || known.aliases().includes(word));
      if (child === undefined) positionals += 1;
      else command = child;
    }
  }
  return { command, positionals, pending, values };
}

function splitOnce(word: string): [name: string, value?: string] {
  const at = word.indexOf('=');
  return at === -1 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

function lineage(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...lineage(command.parent)];
}

function findOption(command: Command, name: string): Option | undefined {
  return lineage(command)
    .flatMap((ancestor) => ancestor.options)
    .find((option) => option.long === name || option.short === name);
}

function optionCandidates(command: Command): Candidate[] {
  const options = lineage(command).flatMap((ancestor) => ancestor.options);
  const named = options.filter(
    (option) => option.long !== undefined && !option.hidden && option.long !== '--version',
  );
  return [
    ...named.map((option) => ({ value: option.long ?? '', description: option.description })),
    { value: '--help', description: 'show help' },
  ];
}

async function valuesOf(
  place: Option | Argument,
  serviceNames: ServiceNames,
  values: ReadonlyMap<string, string>,
): Promise<Completion> {
  if (place.argChoices !== undefined) {
    const candidates = place.argChoices.map((value) => ({ value, description: '' }));
    return { candidates, files: false };
  }
  const kind = 'flags' in place ? /[<[]([^\]>.]+)/.exec(place.flags)?.[1] : place.name();
  if (kind === 'service') return { candidates: await serviceNames(values), files: false };
  return { candidates: [], files: kind !== undefined && FILE_VALUES.has(kind) };
}

function matching(completion: Completion, written: string, prefix: string): Completion {
  const candidates = completion.candidates
    .filter(({ value }) => value.startsWith(written))
    .map(({ value, description }) => ({ value: prefix + value, description }));
  return { candidates, files: completion.files };
}
