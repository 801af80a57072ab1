/** The agent's HTTP routes: each asks the agent or the maps, and says what it found. */
import { matchesFilter, parseConnectionFilter } from '../api/connection-filter.ts';
import { HttpError } from '../api/http-error.ts';
import type { Answer, Routes } from '../api/server.ts';
import type { ConnectionView, ServiceView, StatusView } from '../api/types.ts';
import { ConfigError } from '../config/config-error.ts';
import { type MapsInspector, type MapsLook, statsOf } from '../dataplane/inspect/open-inspector.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { inSlices, runInSlices } from '../slices/run-in-slices.ts';
import { readVipDevice } from '../vip/vip-device.ts';
import type { Agent } from './agent.ts';
import { buildStatus } from './build-status.ts';
import type { NodeEffects } from './upkeep.ts';

export interface RouteContext {
  readonly agent: Agent;
  readonly inspector: MapsInspector;
  readonly metrics: Metrics;
  readonly effects: NodeEffects;
  readonly version: string;
}

async function status(context: RouteContext, look?: MapsLook): Promise<StatusView> {
  const { agent, inspector, effects, version } = context;
  const { facts } = agent;
  return buildStatus({
    version,
    facts,
    source: agent.source,
    health: agent.dataplane.health(),
    vip: await readVipDevice(effects.run, facts.config.vips.device.name),
    maps: look?.overview ?? (await runInSlices(inspector.overview())),
  });
}

async function maglev({ inspector }: RouteContext, query: URLSearchParams): Promise<Answer> {
  const wanted = query.get('service') ?? '';
  if (wanted === '') {
    throw new HttpError(400, 'service is missing', 'give service=namespace/name[:port] or a frontend');
  }
  const found = await runInSlices(inspector.frontendsOf(wanted));
  const [first] = found;
  if (first === undefined) {
    throw new HttpError(404, `there is no service "${wanted}"`, 'lbctl service list shows the services');
  }
  if (found.length > 1) {
    throw new HttpError(400, `"${wanted}" has several frontends`, `give one of ${found.join(', ')}`);
  }
  const view = await runInSlices(inspector.maglev(first));
  if (view === undefined) throw new HttpError(404, `"${wanted}" is gone`, 'ask again');
  return { json: view };
}

async function connections({ inspector }: RouteContext, query: URLSearchParams): Promise<Answer> {
  const filter = parseConnectionFilter(query);
  const found: ConnectionView[] = [];
  for await (const flow of inSlices(inspector.connections())) {
    if (!matchesFilter(filter, flow)) continue;
    found.push(flow);
    if (found.length >= filter.limit) break;
  }
  return { json: found };
}

/** All services, as of one look at the maps. */
async function* services({ inspector }: RouteContext): AsyncGenerator<ServiceView> {
  yield* inSlices((await runInSlices(inspector.look())).services());
}

async function* backends(context: RouteContext): AsyncGenerator<unknown> {
  for await (const { frontend, namespace, name, backends } of services(context)) {
    for (const backend of backends) yield { frontend, service: `${namespace}/${name}`, ...backend };
  }
}

async function reload({ agent }: RouteContext): Promise<Answer> {
  try {
    const decision = await agent.reload();
    if (decision.verdict !== 'refused') return { json: decision };
    throw new HttpError(409, decision.message ?? 'refused', 'docs/configuration.md says what each key needs');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new HttpError(422, error.message, 'correct the file; the old configuration stays in force');
  }
}

/** Nothing is read before the first piece is asked for. */
async function* metricsText(context: RouteContext): AsyncGenerator<string | Uint8Array> {
  const { agent, inspector, metrics } = context;
  const { facts } = agent;
  const look = await runInSlices(inspector.look());
  yield* metrics.render({
    status: await status(context, look),
    services: look.services(),
    stats: { drops: look.drops(), events: look.events() },
    pools: look.overview.pools,
    drained: facts.drained,
    startedAt: facts.startedAt,
    ...(facts.lastApplyAt === undefined ? {} : { lastApplyAt: facts.lastApplyAt }),
  });
}

/** Ready: what this node announces is served. A drained node is fine, but not ready. */
function readiness({ agent }: RouteContext): Answer {
  const announcement = agent.facts.state.announcement;
  const ready = announcement?.device === 'up';
  return { status: ready ? 200 : 503, json: { ready, reason: announcement?.reason ?? 'starting' } };
}

async function drain(context: RouteContext, drained: boolean): Promise<Answer> {
  await context.agent.setDrained(drained);
  const { device, up, announce } = (await status(context)).vip;
  return { json: { drained, device, up, announce } };
}

/** What a TCP port may show. */
export function metricsRoutes(context: RouteContext): Routes {
  return {
    'GET /metrics': () => ({ pieces: metricsText(context), contentType: context.metrics.contentType }),
    'GET /healthz': () => ({ json: { ok: true } }),
    'GET /readyz': () => readiness(context),
  };
}

export function agentRoutes(context: RouteContext): Routes {
  const { inspector } = context;
  return {
    'GET /v1/status': async () => ({ json: await status(context) }),
    'GET /v1/services': () => ({ items: services(context) }),
    'GET /v1/backends': () => ({ items: backends(context) }),
    'GET /v1/connections': (query) => connections(context, query),
    'GET /v1/stats': async () => ({
      json: await runInSlices(statsOf(await runInSlices(inspector.look()))),
    }),
    'GET /v1/maglev': (query) => maglev(context, query),
    'POST /v1/drain': () => drain(context, true),
    'POST /v1/undrain': () => drain(context, false),
    'POST /v1/reload': () => reload(context),
    ...metricsRoutes(context),
  };
}
