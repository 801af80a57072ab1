/** What happens before the agent's loop: checks, kernel settings, and the dataplane on its devices. */
import type { Config } from '../config/config.ts';
import { type OpenClock, openJiffiesClock } from '../dataplane/jiffies-clock.ts';
import { type Dataplane, openDataplane } from '../dataplane/open-dataplane.ts';
import { buildProduct } from '../kernel/build-directory.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { formatAddress } from '../net/address.ts';
import { withPort } from '../net/with-port.ts';
import { listOwnAddressesByDevice } from '../node/ip.ts';
import { findPortConflicts, readBoundPorts } from '../node/ports-in-use.ts';
import type { Problem } from '../services/desired-state.ts';
import { AgentError, exitCodes } from './exit-codes.ts';
import { loadHashSeed } from './hash-seed.ts';
import { type NodeSurvey, refuseOwnVips, surveyNode } from './survey-node.ts';
import { keepSysctls, keepVipDevice, type NodeEffects } from './upkeep.ts';

export interface OpenedNode {
  readonly dataplane: Dataplane;
  readonly survey: NodeSurvey;
  readonly hashSeed: bigint;
  readonly problems: readonly Problem[];
  readonly servicesInMaps: number;
}

/** Everything before the loop. Whatever fails here leaves packets and announcement as they were. */
export async function openNode(config: Config, kernel: Kernel, effects: NodeEffects): Promise<OpenedNode> {
  // Its 0.15 s pass while the node is looked at.
  const clock = openJiffiesClock(kernel, buildProduct('clock.bpf.o'));
  // A failure is told where the clock is needed, if it comes to that.
  clock.catch(() => undefined);
  try {
    return await openWithClock(config, kernel, effects, clock);
  } catch (error) {
    await clock.then(
      (opened) => opened.close(),
      () => undefined,
    );
    throw error;
  }
}

async function openWithClock(
  config: Config,
  kernel: Kernel,
  effects: NodeEffects,
  clock: Promise<OpenClock>,
): Promise<OpenedNode> {
  const { run, log, files } = effects;
  const own = await listOwnAddressesByDevice(run);
  refuseOwnVips(config, own);
  refuseUsedPorts(config);
  const hashSeed = loadHashSeed(config.hash.seedFile, files.seed);
  const survey = await surveyNode(config, run);
  for (const { severity, code, message } of survey.problems) {
    log[severity === 'error' ? 'error' : 'warn']({ code }, message);
  }
  // Before anything that packets notice: a kernel without the driver is found here. It stays up or down.
  await keepVipDevice(effects, config);
  const problems = keepSysctls(effects, config, survey);
  const dataplane = await openDataplane({
    kernel,
    config,
    bpfDirectory: config.bpfDirectory,
    hashSeed,
    devices: survey.devices,
    egress: survey.egress,
    clock,
    log,
  });
  return { dataplane, survey, hashSeed, problems, servicesInMaps: dataplane.serviceCount };
}

/** SNAT on the node's own address shares its ports with the node's sockets. */
function refuseUsedPorts(config: Config): void {
  const own = config.snat.ranges.filter((range) => range.own);
  if (own.length === 0) return;
  const { min, max } = config.snat.ports;
  const conflicts = findPortConflicts(
    readBoundPorts(),
    own.map(({ first }) => formatAddress(first)),
    { first: min, last: max },
  );
  const [first] = conflicts;
  if (first === undefined) return;
  throw new AgentError(
    exitCodes.unfit,
    `snat.ports: ${conflicts.length} ports of ${min}-${max} are in use by this node's sockets, the first is ` +
      `${withPort(first.address, first.port)}/${first.protocol}; give other snat.ports, or a pool of addresses (snat.addresses)`,
  );
}
