/** What a command works with. */
import { type AgentEndpoint, MAX_ANSWER_BYTES } from './agent-client.ts';
import { agentSource } from './agent-source.ts';
import { AgentUnreachableError } from './cli-error.ts';
import { type Host, writeNote } from './host.ts';
import { type LocationOptions, type Locations, locate } from './locations.ts';
import type { OfflineSource } from './offline/offline-source.ts';
import type { Source } from './source.ts';

export interface GlobalOptions extends LocationOptions {
  /** Seconds. */
  readonly timeout: number;
  readonly offline?: boolean;
  readonly color: boolean;
}

export interface Context {
  readonly host: Host;
  readonly options: GlobalOptions;
  readonly locations: Locations;
  readonly endpoint: AgentEndpoint;
}

export async function makeContext(host: Host, options: GlobalOptions): Promise<Context> {
  const locations = await locate(options, host.env);
  const endpoint = {
    socketPath: locations.socket,
    timeout: options.timeout * 1000,
    maxBytes: MAX_ANSWER_BYTES,
  };
  return { host, options, locations, endpoint };
}

/** What a loop keeps from one look to the next. */
export interface Looks {
  /** Where the data came from, as the user was told; said again only when it changes. */
  origin?: Source['origin'];
  offline?: OfflineSource;
}

/** Loads from the agent, or, when nobody listens on its socket, from the pinned maps, and says so. */
export async function loadFrom<T>(
  context: Context,
  load: (source: Source) => Promise<T>,
  looks: Looks = {},
): Promise<T> {
  let absence: AgentUnreachableError | undefined;
  if (context.options.offline !== true) {
    try {
      const data = await load(agentSource(context.endpoint));
      if (looks.origin === 'maps') writeNote(context.host, 'lbctl: the agent is running again.');
      looks.origin = 'agent';
      return data;
    } catch (error) {
      if (!(error instanceof AgentUnreachableError)) throw error;
      absence = error;
    }
  }
  const { offlineSource } = await import('./offline/offline-source.ts');
  looks.offline = await offlineSource(context.locations, absence, looks.offline);
  const data = await load(looks.offline);
  if (looks.origin !== 'maps' && absence !== undefined) {
    writeNote(
      context.host,
      `lbctl: the agent is not running (${absence.socketPath}: ${absence.code}); this comes from the pinned maps in ${context.locations.bpfDirectory}.`,
    );
  }
  looks.origin = 'maps';
  return data;
}
