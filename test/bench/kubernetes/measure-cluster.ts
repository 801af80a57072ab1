/** The steps of the measurement, one after the other on one cluster. */
import { copyFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { ApiClient } from '../../kube/api-client.ts';
import { BreakingLink } from '../../kube/breaking-link.ts';
import { ControlPlane, freePort } from '../../kube/control-plane.ts';
import { spreadOf, tenth } from '../statistics.ts';
import { AgentProcess, type MemoryMiB, writeAgentConfig } from './agent-process.ts';
import {
  type ClusterSize,
  changeSlice,
  eachOf,
  fillCluster,
  manyRequests,
  sliceObject,
  vipOf,
} from './cluster.ts';
import { PinnedState } from './pinned-state.ts';
import { SliceWatch } from './slice-watch.ts';

export interface MeasureOptions {
  readonly size: ClusterSize;
  readonly quick: boolean;
  readonly directory: string;
  /** Where a filled cluster is kept for other runs; undefined: nowhere. */
  readonly keep: string | undefined;
  readonly say: (line: string) => void;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(agent: AgentProcess, what: string, holds: () => boolean, every = 20): Promise<void> {
  const deadline = Date.now() + 300_000;
  while (!holds()) {
    if (agent.ended !== undefined) throw new Error(agent.ended);
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(every);
  }
}

const rounded = ({ rss, own }: MemoryMiB): MemoryMiB => ({ rss: Math.round(rss), own: Math.round(own) });

export async function measureCluster(kernel: Kernel, options: MeasureOptions) {
  const { size } = options;
  const plane = await filledCluster(options);
  try {
    const client = manyRequests(plane);
    const following = await measureFollowing(kernel, options, plane, client);
    const silence = await measureSilence(kernel, options, plane);
    return { ...size, ...following, ...silence };
  } finally {
    await plane.stop();
  }
}

export type ClusterResult = Awaited<ReturnType<typeof measureCluster>>;

/** A new one, or a copy of the one that an earlier run has filled. */
async function filledCluster({ size, directory, keep, say }: MeasureOptions): Promise<ControlPlane> {
  const files = join(directory, 'kube');
  const kept =
    keep === undefined ? undefined : join(keep, `${size.services}-${size.slices}-${size.endpoints}`);
  if (kept !== undefined && existsSync(kept)) {
    cpSync(kept, files, { recursive: true });
    return ControlPlane.start(files);
  }
  say(`filling a cluster of ${size.services} Services and ${size.services * size.slices} EndpointSlices ...`);
  const plane = await ControlPlane.start(files);
  const from = Date.now();
  await fillCluster(manyRequests(plane), size);
  say(`filled in ${tenth((Date.now() - from) / 1000)} s`);
  // A server that has just written everything has it in its caches, in parts of its own.
  await plane.stop('SIGTERM');
  if (kept !== undefined) cpSync(files, kept, { recursive: true });
  await plane.start();
  return plane;
}

function makeAgent({ size, directory }: MeasureOptions, kubeconfig: string): AgentProcess {
  const run = join(directory, 'run');
  mkdirSync(run, { recursive: true });
  // Blocks of 16 entries for 10 backends each.
  const config = writeAgentConfig(run, kubeconfig, size.services, size.services * 32);
  return new AgentProcess(run, config, (process.env.AGENT_OPTIONS ?? '').split(' ').filter(Boolean));
}

async function pinned(kernel: Kernel, agent: AgentProcess): Promise<PinnedState> {
  let state: PinnedState | undefined;
  await until(agent, 'pinned maps', () => {
    state = PinnedState.open(kernel);
    return state !== undefined;
  });
  return state as PinnedState;
}

async function measureFollowing(
  kernel: Kernel,
  options: MeasureOptions,
  plane: ControlPlane,
  client: ApiClient,
) {
  const { size, quick, say } = options;
  // A copy: the server writes its own anew each time it starts, wherever that is.
  const kubeconfig = join(options.directory, 'agent.kubeconfig');
  copyFileSync(plane.adminKubeconfig, kubeconfig);
  const agent = makeAgent(options, kubeconfig);
  try {
    const state = await pinned(kernel, agent);
    const backends = size.services * size.slices * size.endpoints;
    await until(
      agent,
      'every service in the maps',
      () => state.activeBackends() === backends && state.servedServices() === size.services,
    );
    const syncedAt = Date.now();
    const sync = {
      first_sync_s: tenth((syncedAt - agent.startedAt) / 1000),
      first_sync_processor_s: tenth(agent.processorSeconds),
    };
    say(`first sync: ${JSON.stringify(sync)}`);
    await sleep(quick ? 2_000 : 35_000);
    const steadyAt = Date.now();
    const memory = { peak_mib: rounded(agent.peak), steady_mib: rounded(agent.memory) };
    const stalls = {
      stall_sync_ms: agent.longestStall(agent.startedAt, syncedAt + 200).ms,
      stall_steady_ms: agent.longestStall(syncedAt + 200, steadyAt).ms,
    };
    say(JSON.stringify({ ...memory, ...stalls }));
    const views = await measureViews(agent);
    say(JSON.stringify(views));
    const viewedAt = Date.now();
    const change = await measureChanges(options, plane, client, agent, state);
    const changedAt = Date.now();
    const stall_changes_ms = agent.longestStall(viewedAt, changedAt).ms;
    say(JSON.stringify({ ...change, stall_changes_ms }));
    const outage = await measureOutage(options, plane, agent, state);
    const stall_outage_ms = agent.longestStall(changedAt, Date.now()).ms;
    say(JSON.stringify({ ...outage, stall_outage_ms }));
    return {
      ...sync,
      ...memory,
      ...stalls,
      ...change,
      ...views,
      stall_changes_ms,
      ...outage,
      stall_outage_ms,
      peak_after_all_mib: rounded(agent.peak),
    };
  } finally {
    await agent.stop();
  }
}

/** What a look at everything takes, and for how long nothing else has its turn meanwhile. */
async function measureViews(agent: AgentProcess) {
  const one = async (path: string) => {
    const from = Date.now();
    const ms = await agent.ask(path);
    if (ms === undefined) throw new Error(`nobody answers GET ${path}`);
    // The stall is written by the tenth of a second.
    await sleep(300);
    return { ms: Math.round(ms), stall_ms: agent.longestStall(from, Date.now()).ms };
  };
  return {
    metrics: await one('/metrics'),
    services_view: await one('/v1/services'),
    backends_view: await one('/v1/backends'),
    stats_view: await one('/v1/stats'),
    status_view: await one('/v1/status'),
  };
}

/** An endpoint of some slice stops to be ready, or is ready again, 50 times. */
async function measureChanges(
  { size, quick }: MeasureOptions,
  plane: ControlPlane,
  client: ApiClient,
  agent: AgentProcess,
  state: PinnedState,
) {
  const words = state.tableWords();
  const watch = await SliceWatch.open(plane);
  const afterEvent: number[] = [];
  const afterRequest: number[] = [];
  const processorBefore = agent.processorSeconds;
  const count = quick ? 10 : 50;
  try {
    for (let n = 0; n < count; n++) {
      const service = (n * 7_919) % size.services;
      const offset = words.get(vipOf(service));
      if (offset === undefined) throw new Error(`${vipOf(service)} is not in the maps`);
      const before = state.wordAt(offset);
      const slice = sliceObject(size, service, n % size.slices, (endpoint) => endpoint > 0);
      const heard = watch.next(slice.metadata.name);
      const from = performance.now();
      const asked = changeSlice(client, slice);
      await until(agent, 'a changed slice in the maps', () => state.wordAt(offset) !== before, 1);
      const done = performance.now();
      afterEvent.push(Math.max(0, done - (await heard)));
      afterRequest.push(done - from);
      await asked;
      await sleep(150);
    }
  } finally {
    watch.close();
  }
  const spread = (samples: number[]) => {
    const { median, min, max } = spreadOf(samples);
    return { median: tenth(median), min: tenth(min), max: tenth(max) };
  };
  return {
    changes: count,
    change_after_event_ms: spread(afterEvent),
    change_after_request_ms: spread(afterRequest),
    change_processor_ms: tenth(((agent.processorSeconds - processorBefore) * 1000) / count),
  };
}

/** The server is killed; slices change while the agent has none; it is back. */
async function measureOutage(
  { size, directory, quick, say }: MeasureOptions,
  plane: ControlPlane,
  agent: AgentProcess,
  state: PinnedState,
) {
  const words = state.tableWords();
  const changed = Array.from({ length: quick ? 20 : 200 }, (_, n) => (n * 49 + 11) % size.services);
  const before = new Map(changed.map((service) => [service, state.wordAt(words.get(vipOf(service)) ?? 0)]));
  const from = Date.now();
  const backends = state.activeBackends();
  await plane.stop('SIGKILL');
  // Where the agent does not look, with the same etcd.
  const elsewhere = await ControlPlane.start(join(directory, 'kube'), { port: await freePort() });
  const client = manyRequests(elsewhere);
  await eachOf(changed.length, (n) =>
    changeSlice(
      client,
      sliceObject(size, changed[n] as number, 1, (endpoint) => endpoint === 0),
    ),
  );
  if (!quick) await sleep(Math.max(0, from + 60_000 - Date.now()));
  await elsewhere.stop('SIGKILL');
  if (state.activeBackends() !== backends)
    throw new Error('something changed in the maps while there was no server');
  say(`without a server for ${tenth((Date.now() - from) / 1000)} s; starting it ...`);
  await plane.start();
  const back = Date.now();
  await until(agent, 'what changed in the outage', () =>
    changed.every((service) => state.wordAt(words.get(vipOf(service)) ?? 0) !== before.get(service)),
  );
  return {
    outage_s: tenth((back - from) / 1000),
    outage_changes: changed.length,
    converged_after_outage_s: tenth((Date.now() - back) / 1000),
  };
}

/** A restart on full maps, behind a link that then swallows everything without a word. */
async function measureSilence(kernel: Kernel, options: MeasureOptions, plane: ControlPlane) {
  const { size, directory, say } = options;
  const link = await BreakingLink.listen(await freePort(), { host: '127.0.0.1', port: plane.port });
  const kubeconfig = join(directory, 'link.kubeconfig');
  writeFileSync(kubeconfig, stringify(throughLink(plane, link)));
  const agent = makeAgent(options, kubeconfig);
  try {
    const answers = firstAnswer(agent);
    const state = await pinned(kernel, agent);
    const service = size.services - 1;
    const offset = state.tableWords().get(vipOf(service));
    if (offset === undefined) throw new Error('the maps do not hold what the agent before left');
    const client = manyRequests(plane);
    const change = async (ready: boolean): Promise<void> => {
      const before = state.wordAt(offset);
      await changeSlice(
        client,
        sliceObject(size, service, 0, (endpoint) => endpoint > 0 || ready),
      );
      await until(agent, 'the change', () => state.wordAt(offset) !== before);
    };
    await change(false);
    const restartedAt = Date.now();
    const restarted = tenth((restartedAt - agent.startedAt) / 1000);
    await sleep(options.quick ? 1_000 : 20_000);
    // From when it answers: before that the program is read and the maps are opened.
    const stall_restart_ms = agent.longestStall(await answers, restartedAt).ms;
    say(`restart on full maps: ${restarted} s; silence ...`);
    const accepted = link.accepted;
    await link.become('silent');
    const from = Date.now();
    // Both watches are given up and tried again.
    await until(agent, 'the silence to be noticed', () => link.accepted >= accepted + 2, 50);
    const noticed = tenth((Date.now() - from) / 1000);
    link.reset();
    await link.become('open');
    const again = Date.now();
    await change(true);
    return {
      restart_s: restarted,
      restart_answers_s: tenth(((await answers) - agent.startedAt) / 1000),
      stall_restart_ms,
      silence_noticed_s: noticed,
      converged_after_silence_s: tenth((Date.now() - again) / 1000),
    };
  } finally {
    await agent.stop();
    await link.close();
  }
}

/** When the agent's health is answered for the first time. */
async function firstAnswer(agent: AgentProcess): Promise<number> {
  while (agent.ended === undefined && (await agent.ask('/healthz')) === undefined) await sleep(20);
  return Date.now();
}

function throughLink(plane: ControlPlane, link: BreakingLink): unknown {
  const config = structuredClone(plane.kubeconfig) as { clusters: Array<{ cluster: { server: string } }> };
  for (const { cluster } of config.clusters) cluster.server = `https://127.0.0.1:${link.port}`;
  return config;
}
