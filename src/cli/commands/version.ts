import { type Command, Option } from 'commander';
import { agentSource } from '../agent-source.ts';
import { AgentUnreachableError, CliError } from '../cli-error.ts';
import { type GlobalOptions, makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { type OutputFormat, toJson, toYaml } from '../output-format.ts';
import { makeStyler } from '../style.ts';
import { renderFields } from '../table.ts';
import { lbctlVersion } from '../version.ts';

interface VersionOptions extends GlobalOptions {
  readonly output: OutputFormat;
}

export function addVersionCommand(program: Command, host: Host): void {
  program
    .command('version')
    .description('versions of lbctl and of the agent')
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices(['table', 'json', 'yaml']).default('table'),
    )
    .addHelpText(
      'after',
      examples([
        ['lbctl version', 'do both fit together?'],
        ['lbctl version -o json', 'for scripts'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<VersionOptions>();
      const versions = { lbctl: lbctlVersion(), agent: await agentVersion(host, options) };
      if (options.output === 'json') host.stdout.write(toJson(versions));
      else if (options.output === 'yaml') host.stdout.write(await toYaml(versions));
      else {
        const layout = { styler: makeStyler(false), headers: false, width: undefined, unicode: false };
        host.stdout.write(
          renderFields(
            [
              ['lbctl', versions.lbctl],
              ['lb-agent', versions.agent],
            ],
            layout,
          ),
        );
      }
    });
}

async function agentVersion(host: Host, options: VersionOptions): Promise<string> {
  if (options.offline === true) return 'not asked';
  const { endpoint } = await makeContext(host, options);
  try {
    return (await agentSource(endpoint).status()).version;
  } catch (error) {
    // The version of lbctl itself is an answer in any case.
    if (error instanceof AgentUnreachableError) return 'not running';
    if (error instanceof CliError) return `unknown: ${error.message}`;
    throw error;
  }
}
