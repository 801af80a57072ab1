import type { Command } from 'commander';
import { withPort } from '../../net/with-port.ts';
import { addShowOptions, presentOptions, type ShowOptions } from '../command-options.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { selectServices } from '../select-services.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import { type BackendRow, backendRows, renderBackends } from '../views/backend-table.ts';

const SORT_KEYS: Readonly<Record<string, SortKey<BackendRow>>> = {
  address: (row) => withPort(row.address, row.port),
  frontend: (row) => row.frontend,
  state: (row) => row.state,
  weight: (row) => ({ descending: row.weight }),
  share: (row) => ({ descending: row.share }),
  flows: (row) => ({ descending: row.activeFlows }),
  packets: (row) => ({ descending: row.traffic.packetsIn + row.traffic.packetsOut }),
};

interface BackendOptions extends ShowOptions {
  readonly service?: string;
}

export function addBackendCommands(program: Command, host: Host): void {
  const backend = program.command('backend').description('backends of all services');
  addShowOptions(backend.command('list').alias('ls'), Object.keys(SORT_KEYS))
    .description('list backends, one line for each service they belong to')
    .option('--service <service>', 'of one service only')
    .addHelpText(
      'after',
      examples([
        ['lbctl backend list', 'state, weight, share and next hop'],
        ['lbctl backend list --service default/dns', 'of one service'],
        ['lbctl backend list -o wide --sort packets', 'with counters, pods and nodes'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<BackendOptions>();
      await present(await makeContext(host, options), presentOptions(options), {
        load: async (source) => {
          const all = await source.services();
          const services = options.service === undefined ? all : selectServices(all, options.service);
          return sortRows(backendRows(services), SORT_KEYS[options.sort ?? ''], options.reverse === true);
        },
        render: renderBackends,
        notes: (rows) => (rows.length === 0 ? ['there are no backends.'] : []),
      });
    });
}
