/** `lb-agent run`: the agent as a process, with its API and its signals. */
import type { ApiServer } from '../api/server.ts';
import { isNodeConfig, loadConfigOfAnyRole } from '../config/parse-node-config.ts';
import { openKernel } from '../kernel/libbpf.ts';
import { ensureBpffs } from '../node/bpffs.ts';
import { runCommand } from '../node/run-command.ts';
import { kernelSysctls } from '../node/sysctl.ts';
import { nodeIdentity } from '../node/sysctl-record.ts';
import { collectEarly } from './collect-early.ts';
import { listenForSignals, reloadHandler } from './listen-for-signals.ts';
import { lockBpfDirectory, lockRuntime } from './lock.ts';
import { makeLogger } from './logger.ts';
import { openNode } from './open-node.ts';
import { refuseOtherRole } from './refuse-other-role.ts';
import { runtimeFiles } from './runtime-files.ts';
import { readVersion } from './version.ts';

/** Resolves when a signal has ended the agent. Throws when it cannot start. */
export async function runAgent(configFile: string): Promise<void> {
  collectEarly();
  const config = loadConfigOfAnyRole(configFile);
  if (isNodeConfig(config)) {
    const { runNodeAgent } = await import('../node-agent/run-node-agent.ts');
    return runNodeAgent(configFile, config);
  }
  const log = makeLogger(config.node, config.log.level);
  const files = runtimeFiles(config.runtimeDirectory);
  const version = readVersion();
  const runtimeLock = lockRuntime(files.lock);
  if (await ensureBpffs(config.bpfDirectory, runCommand)) {
    log.info({ directory: config.bpfDirectory }, 'BPF file system mounted');
  }
  const bpfLock = lockBpfDirectory(config.bpfDirectory);
  refuseOtherRole(config.bpfDirectory, 'lb');
  const effects = { run: runCommand, sysctls: kernelSysctls, identity: nodeIdentity(), files, log };
  const signals = listenForSignals();
  const kernel = openKernel();
  // What the loop and the API are made of is read while the verifier thinks.
  const [opened, { Agent }, { Metrics }, { serveOnPort, serveOnSocket }, { agentRoutes, metricsRoutes }] =
    await Promise.all([
      openNode(config, kernel, effects),
      import('./agent.ts'),
      import('../metrics/metrics.ts'),
      import('../api/server.ts'),
      import('./agent-routes.ts'),
    ]);
  const metrics = new Metrics();
  const agent = new Agent({ configFile, config, kernel, effects, metrics }, opened);
  const servers: ApiServer[] = [];
  try {
    const context = { agent, inspector: agent.inspector, metrics, effects, version };
    const onError = (err: unknown): void => log.error({ err }, 'a request failed');
    servers.push(await serveOnSocket(config.api.socket, agentRoutes(context), onError));
    const { listen } = config.metrics;
    if (listen !== undefined) servers.push(await serveOnPort(listen, metricsRoutes(context), onError));
    log.info({ version, pid: process.pid, socket: config.api.socket }, 'agent started');
    await agent.run();
    await signals.follow({ reload: reloadHandler(agent, log) });
    log.info('stopping; packets and announcement go on');
  } finally {
    for (const server of servers) await server.close();
    await agent.stop();
    bpfLock.release();
    runtimeLock.release();
  }
}
