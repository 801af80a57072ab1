import type { Command } from 'commander';
import type { Problem } from '../../services/desired-state.ts';
import { addShowOptions, presentOptions, type ShowOptions } from '../command-options.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import { problemObject, problemPlace, renderProblems } from '../views/problem-table.ts';
import { renderStatus } from '../views/status-page.ts';

export function addStatusCommand(program: Command, host: Host): void {
  addShowOptions(program.command('status'))
    .description('the node at a glance: health, announcement, devices, source, tables')
    .addHelpText(
      'after',
      examples([
        ['lbctl status', 'is everything well?'],
        ['lbctl status --watch 1', 'while something changes'],
        ['lbctl status -o json | jq -e \'.health == "ok"\'', 'as a check'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>();
      await present(await makeContext(host, options), presentOptions(options), {
        load: (source) => source.status(),
        render: renderStatus,
      });
    });
}

const PROBLEM_KEYS: Readonly<Record<string, SortKey<Problem>>> = {
  severity: (problem) => ({ ascending: problem.severity === 'error' ? 0 : 1 }),
  code: (problem) => problem.code,
  object: problemObject,
  place: problemPlace,
};

export function addProblemsCommand(program: Command, host: Host): void {
  addShowOptions(program.command('problems'), Object.keys(PROBLEM_KEYS))
    .description('what in the manifests cannot be done, or only in part, and what to do about it')
    .addHelpText(
      'after',
      examples([
        ['lbctl problems', 'errors first'],
        ['lbctl problems --sort place', 'by file and line'],
        ['lbctl problems -o json', 'with stable codes, for machines'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>();
      await present<Problem[]>(await makeContext(host, options), presentOptions(options), {
        load: async (source) =>
          sortRows(
            await source.problems(),
            PROBLEM_KEYS[options.sort ?? 'severity'],
            options.reverse === true,
          ),
        render: renderProblems,
        notes: (problems) => (problems.length === 0 ? ['there are no problems.'] : []),
      });
    });
}
