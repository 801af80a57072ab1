/** The dataplane of a worker: node programs on its devices, and the targets that they deliver to. */
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeConfig } from '../config/node-config.ts';
import { type DeviceHealth, DeviceLinks, type ManagedDevice } from '../dataplane/device-links.ts';
import { leaveFormerMaps } from '../dataplane/former-maps.ts';
import { mapsDirectory } from '../dataplane/maps.ts';
import type { JiffiesClock } from '../dataplane/next-hop-table.ts';
import { cleanupPins, type DataplaneLog } from '../dataplane/open-dataplane.ts';
import { buildDirectory as defaultBuildDirectory } from '../kernel/build-directory.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { runInSlices } from '../slices/run-in-slices.ts';
import { closeNodeMaps, type NodeMaps, openNodeMaps } from './node-maps.ts';
import type { NodeProgramConfig } from './node-program-config.ts';
import { loadNodePrograms, type NodePrograms } from './node-programs.ts';
import type { Target } from './plan-targets.ts';
import { type TargetChanges, TargetTable } from './target-table.ts';

/** What of the configuration the dataplane of a worker needs. */
export type NodeDataplaneConfig = NodeProgramConfig & Pick<NodeConfig, 'devices'>;

export interface OpenNodeDataplaneOptions {
  readonly kernel: Kernel;
  readonly bpfDirectory: string;
  readonly config: NodeDataplaneConfig;
  readonly devices: readonly ManagedDevice[];
  readonly clock: JiffiesClock;
  readonly log: DataplaneLog;
  /** Where the compiled objects are; default beside the sources. */
  readonly buildDirectory?: string;
}

export interface NodeDataplane {
  readonly maps: NodeMaps;
  /** Targets in the map, whoever put them there. */
  readonly targetCount: number;
  /** deletions: take out targets that are not wanted. One at a time. */
  apply(targets: readonly Target[], deletions: boolean): Promise<TargetChanges>;
  /** New rodata: loads again on the same maps and swaps under the links; no packet goes without. */
  swapProgram(config: NodeDataplaneConfig, devices: readonly ManagedDevice[]): Promise<void>;
  /** Devices may have come, gone, or been made anew under the same name. */
  updateDevices(devices: readonly ManagedDevice[]): void;
  /** Each device has both programs. */
  health(): readonly DeviceHealth[];
  /** Ends this process's part; programs stay on the devices and go on. */
  close(): void;
}

/** What leaves is seen by a link of its own a device. */
function egressDirectory(bpfDirectory: string): string {
  return join(bpfDirectory, 'egress');
}

/**
 * Loads, or takes over what an earlier agent left pinned, and attaches. The targets stay as they are until
 * the first apply. Throws a KernelError as openDataplane does.
 */
export async function openNodeDataplane(options: OpenNodeDataplaneOptions): Promise<NodeDataplane> {
  const { kernel, bpfDirectory, clock, log } = options;
  mkdirSync(mapsDirectory(bpfDirectory), { recursive: true, mode: 0o700 });
  const load = (config: NodeDataplaneConfig): Promise<NodePrograms> =>
    loadNodePrograms({
      kernel,
      buildDirectory: options.buildDirectory ?? defaultBuildDirectory(),
      bpfDirectory,
      config,
      hz: clock.hz,
      // Of devices that are not there yet too: they find their program when they come.
      modes: [...new Set(config.devices.map(({ attach }) => attach))],
    });
  let devices = options.devices;
  let programs = await load(options.config);
  const maps = openNodeMaps(kernel, bpfDirectory, 'write');
  if (maps === undefined) throw new Error(`the maps were not pinned in ${mapsDirectory(bpfDirectory)}`);
  const table = new TargetTable(kernel, maps.maps.node_targets, maps.maps.node_traffic);
  const incoming = new DeviceLinks(kernel, bpfDirectory);
  const outgoing = new DeviceLinks(kernel, egressDirectory(bpfDirectory), true);
  const leaving = (some: readonly ManagedDevice[]) =>
    some.map((device) => ({ ...device, attach: 'tc' as const }));
  // Answers first: a request that arrives must find its way back.
  const attach = (next: NodePrograms, some: readonly ManagedDevice[]): void => {
    outgoing.ensure(leaving(some), () => next.outgoing);
    incoming.ensure(some, (mode) => next.incoming(mode));
  };
  const close = (): void => {
    incoming.close();
    outgoing.close();
    programs.close();
    closeNodeMaps(kernel, maps);
  };
  try {
    attach(programs, devices);
  } catch (error) {
    close();
    throw error;
  }
  log.info({ hz: clock.hz, verified: programs.verifiedInstructions }, 'node programs loaded and attached');
  leaveFormerMaps(bpfDirectory, log);
  return {
    maps,
    get targetCount() {
      return table.size;
    },
    apply: (targets, deletions) => runInSlices(table.applying(targets, deletions)),
    async swapProgram(config, some) {
      const next = await load(config);
      try {
        attach(next, some);
      } catch (error) {
        next.close();
        throw error;
      }
      programs.close();
      programs = next;
      devices = some;
      log.info({ verified: programs.verifiedInstructions }, 'program swapped');
    },
    updateDevices(some) {
      attach(programs, some);
      devices = some;
    },
    health() {
      const answers = outgoing.health(leaving(devices), () => programs.outgoing);
      return incoming
        .health(devices, (mode) => programs.incoming(mode))
        .map((device, index) => ({
          ...device,
          attached: device.attached && answers[index]?.attached === true,
        }));
    },
    close,
  };
}

/** Takes the programs off all devices and removes every pin. No agent may use it meanwhile. */
export function cleanupNodePins(
  kernel: Pick<Kernel, 'openPinnedLink' | 'detachLink' | 'closeFd'>,
  bpfDirectory: string,
): void {
  cleanupPins(kernel, bpfDirectory);
  const egress = egressDirectory(bpfDirectory);
  cleanupPins(kernel, egress, 'egress');
  if (existsSync(egress)) rmdirSync(egress);
}
