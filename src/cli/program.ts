/** lbctl's commands and options. */
import { Command, Option } from 'commander';
import { parseTimeout } from './command-options.ts';
import { addCommands } from './commands.ts';
import { examples } from './examples.ts';
import { EXIT_HELP } from './exit-codes.ts';
import type { Host } from './host.ts';
import { DEFAULT_BPF_DIRECTORY, DEFAULT_RUNTIME_DIRECTORY } from './locations.ts';
import { lbctlVersion } from './version.ts';

/**
 * Commander throws instead of ending the process; what it prints goes to the host. With the command line's
 * words it has at least the commands that these can mean, without words all of them.
 */
export function makeProgram(host: Host, words: readonly string[] = []): Command {
  const program = new Command('lbctl')
    .description('Looks at the load balancer of this node, and drains it.')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => host.stdout.columns ?? 100,
      getErrHelpWidth: () => host.stdout.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .version(lbctlVersion(), '-V, --version', 'print the version of lbctl')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .option('--socket <path>', `socket of the agent (default: <runtime directory>/agent.sock; L4LB_SOCKET)`)
    .option('--bpf-directory <path>', `pinned maps (default: ${DEFAULT_BPF_DIRECTORY}; L4LB_BPF_DIRECTORY)`)
    .option(
      '--runtime-directory <path>',
      `runtime directory of the agent (default: ${DEFAULT_RUNTIME_DIRECTORY}; L4LB_RUNTIME_DIRECTORY)`,
    )
    .option('--config <file>', 'take these three from a configuration of lb-agent')
    .option('--offline', 'read the pinned maps without asking the agent')
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for an answer').argParser(parseTimeout).default(10),
    )
    .option('--no-color', 'no colours (also: NO_COLOR, or a stdout that is no terminal)')
    .addHelpText('after', programHelp());

  addCommands(program, host, words);
  return program;
}

function programHelp(): string {
  const codes = Object.entries(EXIT_HELP).map(([code, meaning]) => `  ${code}  ${meaning}`);
  return `
Without an agent, status, service, backend, conn, stats and maglev read the pinned maps.
${examples([
  ['lbctl status', 'is everything well?'],
  ['lbctl service list', 'frontends and backends'],
  ['lbctl stats --watch', 'what is dropped, and why'],
  ['lbctl drain', 'take the node out of service'],
])}

Exit status:
${codes.join('\n')}`;
}
