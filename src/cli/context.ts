/** What a command works with. */
import { type AgentEndpoint, MAX_ANSWER_BYTES } from './agent-client.ts';
import { agentSource } from './agent-source.ts';
import { AgentUnreachableError } from './cli-error.ts';
import { type Host, writeNote } from './host.ts';
import { type LocationOptions, type Locations, locate } from './locations.ts';
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

/** What the user was told about where the data comes from, so that a loop says it once. */
export interface Told {
  origin?: Source['origin'];
}

/** Loads from the agent, or, when nobody listens on its socket, from the pinned maps, and says so. */
export async function loadFrom<T>(
  context: Context,
  load: (source: Source) => Promise<T>,
  told: Told = {},
): Promise<T> {
  let absence: AgentUnreachableError | undefined;
  if (context.options.offline !== true) {
    try {
      const data = await load(agentSource(context.endpoint));
      if (told.origin === 'maps') writeNote(context.host, 'lbctl: the agent is running again.');
      told.origin = 'agent';
      return data;
    } catch (error) {
      if (!(error instanceof AgentUnreachableError)) throw error;
      absence = error;
    }
  }
  const { offlineSource } = await import('./offline/offline-source.ts');
  const data = await load(await offlineSource(context.locations, absence));
  if (told.origin !== 'maps' && absence !== undefined) {
    writeNote(
      context.host,
      `lbctl: the agent is not running (${absence.socketPath}: ${absence.code}); this comes from the pinned maps in ${context.locations.bpfDirectory}.`,
    );
  }
  told.origin = 'maps';
  return data;
}
