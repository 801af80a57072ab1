/** The views as the agent's API gives them, each checked for its shape. */
import type { ServiceView } from '../api/types.ts';
import { type AgentEndpoint, askAgent, notUnderstood } from './agent-client.ts';
import { type Check, ShapeError } from './shape.ts';
import type { Source } from './source.ts';
import { connectionViews, maglevView, serviceViews, statsView, statusView } from './view-shapes.ts';

export function agentSource(endpoint: AgentEndpoint): Source {
  async function get<T>(path: string, check: Check<T>): Promise<T> {
    const answer = await askAgent(endpoint, 'GET', path);
    try {
      return check(answer, '');
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw notUnderstood(`The answer to GET ${path} on ${endpoint.socketPath}: ${error.message}.`, error);
    }
  }
  return {
    origin: 'agent',
    status: () => get('/v1/status', statusView),
    problems: async () => [...(await get('/v1/status', statusView)).problems],
    services: () => get('/v1/services', serviceViews),
    connections: (query) => get(`/v1/connections${queryString({ ...query })}`, connectionViews),
    stats: () => get('/v1/stats', statsView),
    maglev: (service: ServiceView) =>
      get(`/v1/maglev?service=${encodeURIComponent(service.frontend)}`, maglevView),
  };
}

function queryString(query: Readonly<Record<string, string | number>>): string {
  const text = Object.entries(query)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join('&');
  return text === '' ? '' : `?${text}`;
}
