/** `lb-agent run` on a worker. */
import { listenForSignals, reloadHandler } from '../agent/listen-for-signals.ts';
import { lockBpfDirectory, lockRuntime } from '../agent/lock.ts';
import { makeLogger } from '../agent/logger.ts';
import { refuseOtherRole } from '../agent/refuse-other-role.ts';
import { runtimeFiles } from '../agent/runtime-files.ts';
import type { NodeEffects } from '../agent/upkeep.ts';
import { readVersion } from '../agent/version.ts';
import { type ApiServer, serveOnPort, serveOnSocket } from '../api/server.ts';
import type { NodeConfig } from '../config/node-config.ts';
import { openJiffiesClock } from '../dataplane/jiffies-clock.ts';
import { buildProduct } from '../kernel/build-directory.ts';
import { openKernel } from '../kernel/libbpf.ts';
import { Metrics } from '../metrics/metrics.ts';
import { ensureBpffs } from '../node/bpffs.ts';
import { runCommand } from '../node/run-command.ts';
import { kernelSysctls } from '../node/sysctl.ts';
import { nodeIdentity } from '../node/sysctl-record.ts';
import { openNodeDataplane } from '../node-dataplane/open-node-dataplane.ts';
import { keepWorkerSysctls, NodeAgent } from './node-agent.ts';
import { nodeMetricsRoutes, nodeRoutes } from './node-routes.ts';
import { surveyWorker } from './survey-worker.ts';

/** Resolves when a signal has ended the agent. Throws when it cannot start. */
export async function runNodeAgent(configFile: string, config: NodeConfig): Promise<void> {
  const log = makeLogger(config.node, config.log.level);
  const files = runtimeFiles(config.runtimeDirectory);
  const version = readVersion();
  const runtimeLock = lockRuntime(files.lock);
  if (await ensureBpffs(config.bpfDirectory, runCommand)) {
    log.info({ directory: config.bpfDirectory }, 'BPF file system mounted');
  }
  const bpfLock = lockBpfDirectory(config.bpfDirectory);
  refuseOtherRole(config.bpfDirectory, 'node');
  const effects = { run: runCommand, sysctls: kernelSysctls, identity: nodeIdentity(), files, log };
  const signals = listenForSignals();
  const metrics = new Metrics();
  const agent = await openAgent(configFile, config, effects, metrics);
  const servers: ApiServer[] = [];
  try {
    const context = { agent, metrics, version };
    const onError = (err: unknown): void => log.error({ err }, 'a request failed');
    servers.push(await serveOnSocket(config.api.socket, nodeRoutes(context), onError));
    const { listen } = config.metrics;
    if (listen !== undefined) servers.push(await serveOnPort(listen, nodeMetricsRoutes(context), onError));
    log.info({ version, pid: process.pid, role: 'node', socket: config.api.socket }, 'agent started');
    await agent.run();
    await signals.follow({ reload: reloadHandler(agent, log) });
    log.info('stopping; packets go on');
  } finally {
    for (const server of servers) await server.close();
    await agent.stop();
    bpfLock.release();
    runtimeLock.release();
  }
}

async function openAgent(
  configFile: string,
  config: NodeConfig,
  effects: NodeEffects,
  metrics: Metrics,
): Promise<NodeAgent> {
  const { log } = effects;
  const kernel = openKernel();
  const clock = await openJiffiesClock(kernel, buildProduct('clock.bpf.o'));
  try {
    const survey = await surveyWorker(config, effects.run);
    for (const { severity, code, message } of survey.problems) {
      log[severity === 'error' ? 'error' : 'warn']({ code }, message);
    }
    const problems = keepWorkerSysctls(effects, config, survey);
    const { bpfDirectory } = config;
    const dataplane = await openNodeDataplane({
      kernel,
      bpfDirectory,
      config,
      devices: survey.devices,
      clock,
      log,
    });
    return new NodeAgent({
      configFile,
      config,
      kernel,
      effects,
      metrics,
      clock,
      dataplane,
      survey,
      problems,
    });
  } catch (error) {
    clock.close();
    throw error;
  }
}
