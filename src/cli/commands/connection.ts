import { type Command, InvalidArgumentError, Option } from 'commander';
import { FLOW_STATES } from '../../api/flow-states.ts';
import type { ConnectionView } from '../../api/types.ts';
import { addShowOptions, parseLimit, presentOptions, type ShowOptions } from '../command-options.ts';
import {
  type ConnectionFilter,
  ENDPOINT_HELP,
  hasPort,
  parseEndpoint,
  passes,
} from '../connection-filter.ts';
import { makeContext } from '../context.ts';
import { examples } from '../examples.ts';
import type { Host } from '../host.ts';
import { present } from '../present.ts';
import { selectServices } from '../select-services.ts';
import { type SortKey, sortRows } from '../sort-rows.ts';
import type { ConnectionQuery, Source } from '../source.ts';
import { renderConnections } from '../views/connection-table.ts';

const SORT_KEYS: Readonly<Record<string, SortKey<ConnectionView>>> = {
  client: (connection) => connection.client,
  frontend: (connection) => connection.frontend,
  backend: (connection) => connection.backend,
  state: (connection) => connection.state,
  idle: (connection) => ({ descending: connection.idleSeconds }),
  expires: (connection) => ({ ascending: connection.expiresInSeconds }),
};

interface ConnectionOptions extends ShowOptions {
  readonly client?: string;
  readonly backend?: string;
  readonly service?: string;
  readonly state?: string;
  readonly protocol?: string;
  readonly limit: number;
}

function parseState(text: string): string {
  const state = text.toLowerCase();
  if (FLOW_STATES.includes(state)) return state;
  throw new InvalidArgumentError(`It must be one of ${FLOW_STATES.join(', ')}.`);
}

/** The rows to print, and whether more match. */
interface Selection {
  readonly shown: ConnectionView[];
  readonly more: boolean;
}

export function addConnectionCommands(program: Command, host: Host): void {
  const connection = program.command('conn').alias('connection').description('flows that are alive');
  addShowOptions(connection.command('list').alias('ls'), Object.keys(SORT_KEYS))
    .description('list flows; filters that are given together must all match')
    .addOption(new Option('--client <endpoint>', ENDPOINT_HELP).argParser(checkedEndpoint))
    .addOption(new Option('--backend <endpoint>', ENDPOINT_HELP).argParser(checkedEndpoint))
    .option('--service <service>', 'flows of this service')
    .addOption(
      new Option('--state <state>', `flows in this state: ${FLOW_STATES.join(', ')}`).argParser(parseState),
    )
    .addOption(
      new Option('--protocol <protocol>', 'flows of this protocol').choices(['tcp', 'udp', 'TCP', 'UDP']),
    )
    .addOption(
      new Option('--limit <count>', 'print at most so many; 0: all').argParser(parseLimit).default(1000),
    )
    .addHelpText(
      'after',
      examples([
        ['lbctl conn list --client 192.0.2.7', 'who serves this client'],
        ['lbctl conn list --backend 192.168.1.234:53 --limit 0', 'all flows of a backend'],
        ['lbctl conn list --service default/web --state established', 'of a service, by state'],
        ['lbctl conn list -o wide --sort idle', 'with SNAT addresses, longest silent first'],
      ]),
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ConnectionOptions>();
      await present<Selection>(await makeContext(host, options), presentOptions(options), {
        load: (source) => loadConnections(source, options),
        render: ({ shown }, frame) => renderConnections(shown, frame),
        plain: ({ shown }) => shown,
        notes: ({ shown, more }) =>
          more ? [`only ${shown.length} are shown, more match; --limit 0 prints all.`] : [],
      });
    });
}

async function loadConnections(source: Source, options: ConnectionOptions): Promise<Selection> {
  const frontends =
    options.service === undefined
      ? undefined
      : selectServices(await source.services(), options.service).map((service) => service.frontend);
  const sortKey = SORT_KEYS[options.sort ?? ''];
  const found = await source.connections(connectionQuery(options, frontends));
  const filter = connectionFilter(options, frontends);
  const matching = found.filter((connection) => passes(connection, filter));
  const sorted = sortRows(matching, sortKey, options.reverse === true);
  const shown = options.limit === 0 ? sorted : sorted.slice(0, options.limit);
  return { shown, more: matching.length > shown.length };
}

/** What of the filters the source understands; the others are applied to what it answers. */
function connectionQuery(
  options: ConnectionOptions,
  frontends: readonly string[] | undefined,
): ConnectionQuery {
  const { client, backend, state, protocol } = options;
  const clientIsKnown = client === undefined || !hasPort(client);
  const backendIsKnown = backend === undefined || !backend.includes('/');
  const frontendIsKnown = frontends === undefined || frontends.length === 1;
  const inOrder = options.sort === undefined && options.reverse !== true;
  // Only when nothing is left to filter or sort here may the source stop early; one more tells that there are more.
  const limited = clientIsKnown && backendIsKnown && frontendIsKnown && inOrder && options.limit > 0;
  return {
    ...(client !== undefined && clientIsKnown ? { client } : {}),
    ...(backend !== undefined && backendIsKnown ? { backend } : {}),
    ...(frontends?.[0] !== undefined && frontendIsKnown ? { service: frontends[0] } : {}),
    ...(state === undefined ? {} : { state }),
    ...(protocol === undefined ? {} : { protocol: protocol.toUpperCase() }),
    ...(limited ? { limit: options.limit + 1 } : {}),
  };
}

function connectionFilter(
  options: ConnectionOptions,
  frontends: readonly string[] | undefined,
): ConnectionFilter {
  const client = options.client === undefined ? undefined : parseEndpoint(options.client);
  const backend = options.backend === undefined ? undefined : parseEndpoint(options.backend);
  return {
    ...(client && { client }),
    ...(backend && { backend }),
    ...(frontends && { frontends: new Set(frontends) }),
    ...(options.state === undefined ? {} : { state: options.state }),
    ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
  };
}

function checkedEndpoint(text: string): string {
  if (parseEndpoint(text) === undefined) throw new InvalidArgumentError(`It must be ${ENDPOINT_HELP}.`);
  return text;
}
