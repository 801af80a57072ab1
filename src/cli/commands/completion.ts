import { Argument, type Command } from 'commander';
import { agentSource } from '../agent-source.ts';
import { type Candidate, completeWords } from '../completion/complete-words.ts';
import { SHELLS, type Shell, shellScript } from '../completion/shell-scripts.ts';
import { makeContext } from '../context.ts';
import { escapeText } from '../escape-text.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { serviceName } from '../select-services.ts';

/** Seconds that somebody who pressed Tab waits for the names of services. */
const PATIENCE = 1;

export function addCompletionCommands(program: Command, host: Host): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .description('print a script that completes commands, options and names of services')
    .addHelpText(
      'after',
      examples([
        ['source <(lbctl completion bash)', 'in ~/.bashrc'],
        ['source <(lbctl completion zsh)', 'in ~/.zshrc, after compinit'],
        ['lbctl completion fish | source', 'in ~/.config/fish/config.fish'],
      ]),
    )
    .action((shell: Shell) => {
      host.stdout.write(shellScript(shell));
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .action(async (words: string[]) => {
      const names = (options: ReadonlyMap<string, string>) => serviceNames(host, options);
      const { candidates, files } = await completeWords(program, words, names);
      for (const { value, description } of candidates) {
        host.stdout.write(`${value}\t${escapeText(description)}\n`);
      }
      if (files) host.stdout.write(':files\n');
    });
}

/** Nothing when the agent cannot tell: a completion never disturbs the line with an error. */
async function serviceNames(host: Host, options: ReadonlyMap<string, string>): Promise<Candidate[]> {
  try {
    const context = await makeContext(host, {
      ...Object.fromEntries(options),
      timeout: PATIENCE,
      color: false,
    });
    const services = await agentSource(context.endpoint).services();
    const seen = new Map<string, string>();
    for (const service of services) {
      if (service.name !== '') seen.set(serviceName(service), 'service');
    }
    for (const service of services) seen.set(service.frontend, serviceName(service));
    // What a shell would act on is no name of ours, and shall not get onto a command line.
    return [...seen]
      .filter(([value]) => /^[\w.:/[\]-]+$/.test(value))
      .map(([value, description]) => ({ value, description }));
  } catch {
    return [];
  }
}
