import { type Command, Option } from 'commander';
import { askAgent } from '../agent-client.ts';
import { agentSource } from '../agent-source.ts';
import { AgentUnreachableError, needsAgent } from '../cli-error.ts';
import { type GlobalOptions, makeContext } from '../context.ts';
import { escapeText } from '../escape-text.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { type OutputFormat, toJson, toYaml } from '../output-format.ts';

interface AnnouncementOptions extends GlobalOptions {
  readonly output: Exclude<OutputFormat, 'wide'>;
}

interface Change {
  readonly name: 'drain' | 'undrain';
  readonly description: string;
  readonly says: string;
  readonly examples: ReadonlyArray<readonly [string, string]>;
}

const CHANGES: readonly Change[] = [
  {
    name: 'drain',
    description: 'withdraw the VIPs from this node: no new clients come, flows that are here go on',
    says: 'The VIPs are being withdrawn; flows that are here go on. lbctl undrain announces them again.',
    examples: [
      ['lbctl drain', 'before maintenance of the node'],
      ['lbctl drain && lbctl status --watch', 'and see the flows end'],
    ],
  },
  {
    name: 'undrain',
    description: 'announce the VIPs again after a drain, as soon as the node is healthy',
    says: 'The VIPs are announced again as soon as the node is healthy.',
    examples: [
      ['lbctl undrain', 'after maintenance'],
      ["lbctl undrain -o json | jq -r '.vip.announce'", 'what is announced now'],
    ],
  },
];

export function addAnnouncementCommands(program: Command, host: Host): void {
  for (const change of CHANGES) {
    program
      .command(change.name)
      .description(change.description)
      .addOption(
        new Option('-o, --output <format>', 'how to print')
          .choices(['table', 'json', 'yaml'])
          .default('table'),
      )
      .addHelpText('after', examples(change.examples))
      .action(async (_options, command: Command) => {
        await announce(host, command.optsWithGlobals<AnnouncementOptions>(), change);
      });
  }
}

async function announce(host: Host, options: AnnouncementOptions, change: Change): Promise<void> {
  const { endpoint } = await makeContext(host, options);
  if (options.offline === true) throw needsAgent(change.name, undefined);
  try {
    await askAgent(endpoint, 'POST', `/v1/${change.name}`);
    const status = await agentSource(endpoint).status();
    if (options.output === 'json') host.stdout.write(toJson(status));
    else if (options.output === 'yaml') host.stdout.write(await toYaml(status));
    else {
      const { device, up, announce } = status.vip;
      host.stdout.write(`${change.says}\n`);
      host.stdout.write(escapeText(`Now: ${device} ${up ? 'up' : 'down'}, announced: ${announce}.`));
      host.stdout.write('\n');
    }
  } catch (error) {
    throw error instanceof AgentUnreachableError ? needsAgent(change.name, error) : error;
  }
}
