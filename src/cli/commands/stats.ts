import type { Command } from 'commander';
import type { StatsView } from '../../api/types.ts';
import { addShowOptions, presentOptions, type ShowOptions } from '../command-options.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import { renderStats } from '../views/stats-tables.ts';

type ServiceStats = StatsView['services'][number];

const SORT_KEYS: Readonly<Record<string, SortKey<ServiceStats>>> = {
  frontend: (service) => service.frontend,
  name: (service) => service.name,
  flows: (service) => ({ descending: service.traffic.flows }),
  packets: (service) => ({ descending: service.traffic.packetsIn + service.traffic.packetsOut }),
  drops: (service) => ({
    descending: Object.values(service.drops).reduce((sum, packets) => sum + packets, 0),
  }),
};

export function addStatsCommand(program: Command, host: Host): void {
  addShowOptions(program.command('stats'), Object.keys(SORT_KEYS))
    .description('packets dropped by reason, other events, and the traffic of each service')
    .option('--all', 'also what is zero')
    .addHelpText(
      'after',
      examples([
        ['lbctl stats', 'what was dropped, why, and what to do'],
        ['lbctl stats --watch 1', 'with rates'],
        ['lbctl stats -o wide --sort drops', 'drops of each service by reason'],
        ['lbctl stats --all', 'every reason there is'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions & { readonly all?: boolean }>();
      await present<StatsView>(await makeContext(host, options), presentOptions(options), {
        load: async (source) => {
          const stats = await source.stats();
          const services = sortRows(stats.services, SORT_KEYS[options.sort ?? ''], options.reverse === true);
          return { ...stats, services };
        },
        render: (stats, frame) => renderStats(stats, frame, options.all === true),
      });
    });
}
