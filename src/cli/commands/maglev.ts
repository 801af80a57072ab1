import type { Command } from 'commander';
import type { MaglevView } from '../../api/types.ts';
import { withPort } from '../../net/with-port.ts';
import { addShowOptions, presentOptions, type ShowOptions } from '../command-options.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { SELECTOR_HELP, selectServices } from '../select-services.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import { renderMaglev } from '../views/maglev-chart.ts';

type Row = MaglevView['backends'][number];

const SORT_KEYS: Readonly<Record<string, SortKey<Row>>> = {
  address: (row) => withPort(row.address, row.port),
  weight: (row) => ({ descending: row.weight }),
  share: (row) => ({ descending: row.share }),
};

export function addMaglevCommands(program: Command, host: Host): void {
  const maglev = program.command('maglev').description('Maglev tables');
  addShowOptions(maglev.command('show'), Object.keys(SORT_KEYS))
    .argument('<service>', SELECTOR_HELP)
    .description(
      'show how the slots of a service are shared out, and the fingerprint that nodes must agree on',
    )
    .addHelpText(
      'after',
      examples([
        ['lbctl maglev show default/dns', 'slots wanted and given, by backend'],
        ['lbctl maglev show 10.1.0.2:53/UDP --sort share', 'largest share first'],
        ["lbctl maglev show default/dns -o json | jq -r '.[].fingerprint'", 'equal on nodes that agree'],
      ]),
    )
    .action(async (selector: string, _options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>();
      await present<MaglevView[]>(await makeContext(host, options), presentOptions(options), {
        load: async (source) => {
          const tables: MaglevView[] = [];
          for (const service of selectServices(await source.services(), selector)) {
            const table = await source.maglev(service);
            const backends = sortRows(
              table.backends,
              SORT_KEYS[options.sort ?? ''],
              options.reverse === true,
            );
            tables.push({ ...table, backends });
          }
          return tables;
        },
        render: renderMaglev,
      });
    });
}
