#!/usr/bin/env node
/** lb-agent's command line. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { describeError, exitCodeOf } from './report-error.ts';
import { readVersion } from './version.ts';

const DEFAULT_CONFIG = '/etc/l4lb/lb-agent.yaml';

const HELP = `
Examples:
  lb-agent check /etc/l4lb/lb-agent.yaml
  lb-agent run --config /etc/l4lb/lb-agent.yaml
  kill -HUP $(cat /run/l4lb/agent.lock)        read the configuration again
  lb-agent cleanup --config /etc/l4lb/lb-agent.yaml

A stopped or killed agent leaves packets and announcement as they are; lbctl drain withdraws.

Exit codes:
  0  ok
  1  something failed that was not expected
  2  the command line makes no sense
  3  the configuration cannot be used
  4  not permitted, or the kernel or a device lacks what is needed
  5  another agent uses these directories`;

function program(): Command {
  const root = new Command('lb-agent')
    .description('Forwards packets for virtual IPs to the backends of Kubernetes Services, by XDP or tc.')
    .version(readVersion())
    .addHelpText('after', HELP)
    .configureHelp({ showGlobalOptions: true });
  root
    .command('run')
    .description('load the programs, follow the manifests, announce what can be served')
    .option('-c, --config <file>', 'the configuration', DEFAULT_CONFIG)
    .action(async ({ config }: { config: string }) => {
      const { runAgent } = await import('./run-agent.ts');
      await runAgent(config);
    });
  root
    .command('check')
    .description('read a configuration and print everything that is wrong with it')
    .argument('[file]', 'the configuration', DEFAULT_CONFIG)
    .action(async (file: string) => {
      const { loadConfigOfAnyRole } = await import('../config/parse-node-config.ts');
      loadConfigOfAnyRole(file);
      process.stdout.write(`${file}: ok\n`);
    });
  root
    .command('cleanup')
    .description('take away programs, maps, VIP device and neighbours, and restore kernel settings')
    .option('-c, --config <file>', 'the configuration the agent ran with', DEFAULT_CONFIG)
    .option('--force', 'even while an agent runs, which will fail then', false)
    .action(async ({ config, force }: { config: string; force: boolean }) => {
      const { runCleanup } = await import('./cleanup-command.ts');
      await runCleanup(config, force);
    });
  for (const command of [root, ...root.commands]) command.exitOverride();
  return root;
}

/** Resolves with the exit code; `run` resolves only when the agent has stopped. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(['node', 'lb-agent', ...argv]);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    process.stderr.write(`lb-agent: ${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // Standard output may be a pipe: an exit before it is written would cut the last lines off.
  main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
