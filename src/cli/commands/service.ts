import type { Command } from 'commander';
import type { ServiceView } from '../../api/types.ts';
import { addShowOptions, presentOptions, type ShowOptions } from '../command-options.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { SELECTOR_HELP, selectServices, serviceName } from '../select-services.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import { renderServiceDetails } from '../views/service-details.ts';
import { renderServices } from '../views/service-table.ts';

const SORT_KEYS: Readonly<Record<string, SortKey<ServiceView>>> = {
  id: (service) => ({ ascending: service.id }),
  frontend: (service) => service.frontend,
  name: serviceName,
  backends: (service) => ({ descending: service.backends.length }),
  flows: (service) => ({ descending: service.activeFlows }),
  packets: (service) => ({ descending: service.traffic.packetsIn + service.traffic.packetsOut }),
};

export function addServiceCommands(program: Command, host: Host): void {
  const service = program.command('service').alias('svc').description('services and their backends');
  addShowOptions(service.command('list').alias('ls'), Object.keys(SORT_KEYS))
    .description('list services with their backends')
    .addHelpText(
      'after',
      examples([
        ['lbctl service list', 'frontends and backends'],
        ['lbctl service list -o wide --sort flows', 'busiest first, with weights, shares and packets'],
        ['lbctl service list --watch', 'and look again every 2 seconds'],
        ["lbctl service list -o json | jq '.[].frontend'", 'for scripts'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>();
      await present(await makeContext(host, options), presentOptions(options), {
        load: async (source) =>
          sortRows(await source.services(), SORT_KEYS[options.sort ?? 'id'], options.reverse === true),
        render: renderServices,
        notes: (services) => (services.length === 0 ? ['there are no services.'] : []),
      });
    });
  addShowOptions(service.command('get'))
    .argument('<service>', SELECTOR_HELP)
    .description('show everything about a service')
    .addHelpText(
      'after',
      examples([
        ['lbctl service get default/dns', 'all its ports and protocols'],
        ['lbctl service get 10.1.0.2:53/UDP', 'one of them'],
        ['lbctl service get dns -o yaml', 'exact numbers; a list, because several may match'],
      ]),
    )
    .action(async (selector: string, _options, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>();
      await present(await makeContext(host, options), presentOptions(options), {
        load: async (source) => selectServices(await source.services(), selector),
        render: renderServiceDetails,
      });
    });
}
