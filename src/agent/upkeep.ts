/**
 * Keeps the machine as packets need it: kernel settings, the program on every
 * device that is there, the VIP device and its addresses, neighbours. Looks at
 * everything each time, so it may be run at any moment.
 */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Dataplane } from '../dataplane/open-dataplane.ts';
import { familyOf } from '../net/address.ts';
import { findLink } from '../node/ip.ts';
import { type Neighbour, syncNeighbours } from '../node/managed-neighbours.ts';
import type { RunCommand } from '../node/run-command.ts';
import type { Sysctls } from '../node/sysctl.ts';
import { planSysctls, type SysctlNeeds } from '../node/sysctl-plan.ts';
import { applySysctls, type NodeIdentity } from '../node/sysctl-record.ts';
import type { Problem } from '../services/desired-state.ts';
import { ensureVipDevice } from '../vip/vip-device.ts';
import type { RuntimeFiles } from './runtime-files.ts';
import type { NodeSurvey } from './survey-node.ts';

export interface NodeEffects {
  readonly run: RunCommand;
  readonly sysctls: Sysctls;
  readonly identity: NodeIdentity;
  readonly files: RuntimeFiles;
  readonly log: Logger;
}

/** Makes the kernel settings what packets need. A setting that cannot be written is a problem, not an end. */
export function keepSysctls(effects: NodeEffects, config: Config, survey: NodeSurvey): Problem[] {
  const own = config.snat.ranges.some((range) => range.own);
  const ownPorts = own ? [{ first: config.snat.ports.min, last: config.snat.ports.max }] : [];
  return writeSysctls(effects, survey, { ownPorts, ipv6: servesIpv6(config) });
}

/** The same, where packets need it for what is said. */
export function writeSysctls(
  effects: NodeEffects,
  { ingress, links }: Pick<NodeSurvey, 'ingress' | 'links'>,
  needs: Pick<SysctlNeeds, 'ownPorts' | 'ipv6'>,
): Problem[] {
  const { sysctls, files, identity, log } = effects;
  const ifindexes = new Map(links.map((link) => [link.name, link.ifindex]));
  const otherDevices = links.map(({ name }) => name).filter((name) => !ingress.includes(name));
  const wishes = planSysctls({ devices: ingress, otherDevices, ...needs }, (path) => sysctls.read(path));
  const context = {
    sysctls,
    file: files.sysctls,
    identity,
    ifindexOf: (name: string) => ifindexes.get(name),
  };
  try {
    for (const change of applySysctls(context, wishes)) log.info(change, 'kernel setting changed');
    return [];
  } catch (error) {
    const message = `kernel settings cannot be changed: ${String(error)}; if /proc/sys is read-only, mount the host's and name it in L4LB_PROC_SYS`;
    return [{ severity: 'error', code: 'sysctl', message }];
  }
}

/** Puts the program on devices that came (again), and forgets those that went. */
export async function keepDevices(
  effects: NodeEffects,
  dataplane: Dataplane,
  before: NodeSurvey,
  now: NodeSurvey,
): Promise<void> {
  const changed =
    JSON.stringify([before.devices, before.egress]) !== JSON.stringify([now.devices, now.egress]);
  if (!changed && dataplane.health().ok) return;
  await dataplane.updateDevices(now.devices, now.egress);
  const { devices } = dataplane.health();
  effects.log.info({ devices, missing: now.missing }, 'devices changed');
}

export async function keepVipDevice(effects: NodeEffects, config: Config): Promise<void> {
  const { run, identity, files, log } = effects;
  const done = await ensureVipDevice({
    ...config.vips.device,
    ranges: config.vips.ranges,
    recordFile: files.vipDevice,
    identity,
    run,
  });
  const { name } = config.vips.device;
  if (done.length > 0) log.info({ device: name, done }, 'VIP device brought in order');
  if (!servesIpv6(config)) return;
  const ifindex = (await findLink(run, name))?.ifindex;
  // Else the kernel takes the IPv6 addresses off whenever the device goes down, which is how it withdraws.
  const path = `net/ipv6/conf/${name}/keep_addr_on_down`;
  const context = { sysctls: effects.sysctls, file: files.sysctls, identity, ifindexOf: () => ifindex };
  for (const change of applySysctls(context, [{ path, value: '1', device: name }])) {
    log.info(change, 'kernel setting changed');
  }
}

function servesIpv6({ vips }: Pick<Config, 'vips'>): boolean {
  return vips.ranges.some(({ network }) => familyOf(network) === 6);
}

/** Keeps the next hops of all backends resolved. Without it packets still find their way, by the kernel. */
export async function keepNeighbours(
  effects: NodeEffects,
  nextHops: () => Promise<readonly Neighbour[]>,
): Promise<Problem[]> {
  const { run, files, log } = effects;
  try {
    const report = await syncNeighbours(run, files.neighbours, await nextHops());
    if (report.made + report.dropped > 0) {
      log.debug({ made: report.made, dropped: report.dropped }, 'neighbour entries changed');
    }
    const [complaint] = report.complaints;
    if (complaint === undefined) return [];
    const message = `neighbours cannot be kept resolved (${complaint}); the first packets after a pause go by the kernel`;
    return [{ severity: 'warning', code: 'neighbours', message }];
  } catch (error) {
    return [
      {
        severity: 'warning',
        code: 'neighbours',
        message: `neighbours cannot be looked up: ${String(error)}`,
      },
    ];
  }
}
