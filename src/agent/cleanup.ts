/**
 * Takes away everything the agent put on the machine, in the order that lets
 * traffic go elsewhere first: announcement, programs and maps, neighbours,
 * kernel settings. Works with the agent dead, and any number of times.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { NodeConfig } from '../config/node-config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { listLinks } from '../node/ip.ts';
import { removeNeighbours } from '../node/managed-neighbours.ts';
import { restoreSysctls } from '../node/sysctl-record.ts';
import { cleanupNodePins } from '../node-dataplane/open-node-dataplane.ts';
import { removeVipDevice } from '../vip/vip-device.ts';
import { readVipRecord } from '../vip/vip-record.ts';
import type { NodeEffects } from './upkeep.ts';

/** Returns lines that say what was done. Throws at the first thing that cannot be done; call it again then. */
export async function cleanup(
  config: Pick<Config | NodeConfig, 'bpfDirectory' | 'api'>,
  kernel: Pick<Kernel, 'openPinnedLink' | 'detachLink' | 'closeFd'>,
  effects: NodeEffects,
): Promise<string[]> {
  const { run, sysctls, identity, files } = effects;
  const vipDevice = readVipRecord(files.vipDevice, identity)?.device;
  const done = await removeVipDevice({ recordFile: files.vipDevice, identity, run });
  if (existsSync(config.bpfDirectory)) {
    const pins = readdirSync(config.bpfDirectory).length;
    // Those of either role: the links of a worker's answers are in a directory of their own.
    cleanupNodePins(kernel, config.bpfDirectory);
    if (pins > 0) done.push(`removed links and maps below ${config.bpfDirectory}`);
    // What somebody else has pinned there is left alone, and the directory with it.
    if (readdirSync(config.bpfDirectory).length === 0) rmdirSync(config.bpfDirectory);
  }
  const neighbours = await removeNeighbours(run, files.neighbours);
  if (neighbours > 0) done.push(`gave up ${neighbours} managed neighbours`);
  const ifindexes = new Map((await listLinks(run)).map((link) => [link.name, link.ifindex]));
  const report = restoreSysctls({
    sysctls,
    file: files.sysctls,
    identity,
    ifindexOf: (device) => ifindexes.get(device),
  });
  done.push(...report.restored.map(({ path, from, to }) => `set ${path} from ${from} back to ${to}`));
  // The VIP device's own settings went with it.
  const left = report.left.filter(({ path }) => !path.includes(`/conf/${vipDevice}/`));
  done.push(...left.map(({ path, why }) => `left ${path} alone: ${why}`));
  // The seed and the drained mark are the operator's; all else was the agent's.
  for (const file of [files.neighbours, files.sysctls, files.names, config.api.socket]) {
    rmSync(file, { force: true });
  }
  return done;
}
