/** The HTTP routes of a worker's agent: those of an LB node's that make sense here. */
import { matchesFilter, parseConnectionFilter } from '../api/connection-filter.ts';
import { HttpError } from '../api/http-error.ts';
import type { Answer, Routes } from '../api/server.ts';
import type { ConnectionView } from '../api/types.ts';
import { ConfigError } from '../config/config-error.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { nodeConnections, nodeServiceViews, nodeStats } from '../node-dataplane/node-views.ts';
import type { NodeAgent } from './node-agent.ts';
import { nodeStatus } from './node-status.ts';

export interface NodeRouteContext {
  readonly agent: NodeAgent;
  readonly metrics: Metrics;
  readonly version: string;
}

function connections({ agent }: NodeRouteContext, query: URLSearchParams): Answer {
  const filter = parseConnectionFilter(query);
  const found: ConnectionView[] = [];
  for (const flow of nodeConnections(agent.inspection)) {
    if (!matchesFilter(filter, flow)) continue;
    found.push(flow);
    if (found.length >= filter.limit) break;
  }
  return { json: found };
}

async function reload({ agent }: NodeRouteContext): Promise<Answer> {
  try {
    const decision = await agent.reload();
    if (decision.verdict !== 'refused') return { json: decision };
    throw new HttpError(409, decision.message ?? 'refused', 'docs/node.md says what each key needs');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new HttpError(422, error.message, 'correct the file; the old configuration stays in force');
  }
}

async function* metricsText({
  agent,
  metrics,
  version,
}: NodeRouteContext): AsyncGenerator<string | Uint8Array> {
  const status = nodeStatus(agent, version);
  const { targets } = agent.config.limits;
  yield* metrics.render({
    status,
    services: nodeServiceViews(agent.inspection),
    stats: nodeStats(agent.inspection),
    pools: [
      { pool: 'targets', capacity: targets, used: agent.dataplane.targetCount },
      { pool: 'node-flows', capacity: status.remembered?.room ?? 0, used: status.remembered?.used ?? 0 },
    ],
    drained: false,
    startedAt: agent.startedAt,
    ...(agent.lastApplyAt === undefined ? {} : { lastApplyAt: agent.lastApplyAt }),
  });
}

/** Ready: programs are on all devices, and the source has been applied. */
function readiness({ agent }: NodeRouteContext): Answer {
  const attached =
    agent.dataplane.health().every((device) => device.attached) && agent.survey.missing.length === 0;
  const reason = !attached ? 'unhealthy' : agent.lastApplyAt === undefined ? 'not-synced' : 'serving';
  const ready = reason === 'serving';
  return { status: ready ? 200 : 503, json: { ready, reason } };
}

function notHere(what: string): Answer {
  throw new HttpError(404, `a worker has no ${what}`, 'ask an LB node');
}

/** What a TCP port may show. */
export function nodeMetricsRoutes(context: NodeRouteContext): Routes {
  return {
    'GET /metrics': () => ({ pieces: metricsText(context), contentType: context.metrics.contentType }),
    'GET /healthz': () => ({ json: { ok: true } }),
    'GET /readyz': () => readiness(context),
  };
}

export function nodeRoutes(context: NodeRouteContext): Routes {
  const { agent } = context;
  return {
    'GET /v1/status': () => ({ json: nodeStatus(agent, context.version) }),
    'GET /v1/services': () => ({ json: nodeServiceViews(agent.inspection) }),
    'GET /v1/backends': () => ({
      json: nodeServiceViews(agent.inspection).flatMap(({ frontend, namespace, name, backends }) =>
        backends.map((backend) => ({ frontend, service: `${namespace}/${name}`, ...backend })),
      ),
    }),
    'GET /v1/connections': (query) => connections(context, query),
    'GET /v1/stats': () => ({ json: nodeStats(agent.inspection) }),
    'GET /v1/maglev': () => notHere('Maglev tables'),
    'POST /v1/drain': () => notHere('announcement to withdraw'),
    'POST /v1/undrain': () => notHere('announcement to withdraw'),
    'POST /v1/reload': () => reload(context),
    ...nodeMetricsRoutes(context),
  };
}
