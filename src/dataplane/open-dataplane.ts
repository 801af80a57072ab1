/** The dataplane of one agent: programs on devices, and maps that follow the desired state. */
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildDirectory as defaultBuildDirectory } from '../kernel/build-directory.ts';
import type { Direction, Kernel } from '../kernel/kernel.ts';
import { ServiceHash } from '../maglev/service-hash.ts';
import type { IpAddress } from '../net/address.ts';
import type { DesiredState } from '../services/desired-state.ts';
import { type ActualService, countServices } from './actual-state.ts';
import { Applier, type ApplyReport } from './apply.ts';
import { type DeviceHealth, DeviceLinks, type ManagedDevice } from './device-links.ts';
import { type EgressDeviceEntry, writeEgressDevices } from './egress-map.ts';
import { namedBackends } from './former-flows.ts';
import { leaveFormerMaps } from './former-maps.ts';
import { type OpenClock, openJiffiesClock } from './jiffies-clock.ts';
import { type LbPrograms, loadLbPrograms } from './lb-programs.ts';
import { type DataplaneMaps, linksDirectory, mapsDirectory, openPinnedDataplane } from './maps.ts';
import { invalidateNextHops, type JiffiesClock } from './next-hop-table.ts';
import { type DataplaneConfig, outerSourceOf, timeoutsInJiffies } from './program-config.ts';
import { agentNextHops } from './room.ts';
import { kernelStores } from './stores.ts';

/** What the programs are made from, and where they sit. */
export interface ProgramSettings {
  readonly config: DataplaneConfig;
  readonly hashSeed: bigint;
  readonly devices: readonly ManagedDevice[];
  /** Managed devices and VLAN devices on top of them. */
  readonly egress: readonly EgressDeviceEntry[];
}

export interface OpenDataplaneOptions extends ProgramSettings {
  readonly kernel: Kernel;
  readonly bpfDirectory: string;
  readonly log: DataplaneLog;
  /** Where the compiled objects are; default beside the sources. */
  readonly buildDirectory?: string;
  /** Jiffies a second, when known; else measured. */
  readonly hz?: number;
  /** A clock whose measurement began earlier; it is the dataplane's from now on. */
  readonly clock?: Promise<OpenClock>;
}

/** The part of a pino logger that is needed. */
export interface DataplaneLog {
  info(fields: object, message: string): void;
}

export interface ApplyOptions {
  /** Natural numbers; addresses that are answered like a VIP in use: those of the VIP device. */
  readonly ownAddresses?: readonly IpAddress[];
  /** Take out services that are not desired; default true. */
  readonly deletions?: boolean;
  /** Compare every service with the maps, not only those that changed since the last time; default false. */
  readonly everything?: boolean;
}

export interface DataplaneHealth {
  /** Every device has our program. */
  readonly ok: boolean;
  readonly devices: readonly DeviceHealth[];
}

export interface Dataplane {
  /** The kernel's jiffies and how many a second has; an inspector needs it. */
  readonly clock: JiffiesClock;
  readonly maps: DataplaneMaps;
  readonly verifiedInstructions: Readonly<Record<string, number>>;
  /** What is known of the services in the maps, by keyNumber; undefined before the first apply, and after an error. */
  readonly services: ReadonlyMap<number | bigint, ActualService> | undefined;
  /** Services in the maps, whoever put them there; without the entries for VIPs. */
  readonly serviceCount: number;
  /** One after the other; each brings the maps to the whole of its state. */
  apply(desired: Pick<DesiredState, 'services'>, options?: ApplyOptions): Promise<ApplyReport>;
  /** New rodata: loads again on the same maps and swaps under the links; no packet goes without. */
  swapProgram(settings: ProgramSettings): Promise<void>;
  /** Devices may have come, gone, or been made anew under the same name. */
  updateDevices(devices: readonly ManagedDevice[], egress: readonly EgressDeviceEntry[]): Promise<void>;
  /** Routes or neighbours changed: the FIB is asked again for every next hop. */
  invalidateNextHops(): void;
  /**
   * Every half minute or so: lets windows end, forgets remembered flows that are not needed, and ends
   * entries of outgrown blocks that no flow names any more. How many of these.
   */
  releaseFormer(): Promise<number>;
  health(): DataplaneHealth;
  /** Ends this process's part; programs stay on the devices and go on. */
  close(): Promise<void>;
}

/**
 * Loads, or takes over what an earlier agent left pinned, and attaches. Nothing in the maps changes before
 * the first apply. Throws a KernelError: `DEVICE_BUSY` when another program owns a device, `MAP_MISMATCH`
 * when the pinned maps have other sizes.
 */
export async function openDataplane(options: OpenDataplaneOptions): Promise<Dataplane> {
  const { kernel, bpfDirectory, log } = options;
  const build = options.buildDirectory ?? defaultBuildDirectory();
  const clock = await (options.clock ?? openJiffiesClock(kernel, resolve(build, 'clock.bpf.o'), options.hz));
  const load = (settings: ProgramSettings): Promise<LbPrograms> =>
    loadLbPrograms({
      kernel,
      buildDirectory: build,
      bpfDirectory,
      config: settings.config,
      facts: { hashSeed: settings.hashSeed, hz: clock.hz, cpus: kernel.cpuNumbers },
      modes: settings.devices.map(({ attach }) => attach),
    });
  let settings: ProgramSettings = options;
  let programs: LbPrograms;
  try {
    mkdirSync(mapsDirectory(bpfDirectory), { recursive: true, mode: 0o700 });
    programs = await load(settings);
  } catch (error) {
    clock.close();
    throw error;
  }
  // By descriptors of our own, because those of the programs are closed when they are swapped.
  const maps = openPinnedDataplane(kernel, bpfDirectory, 'write');
  if (maps === undefined) throw new Error(`the maps were not pinned in ${mapsDirectory(bpfDirectory)}`);
  const links = new DeviceLinks(kernel, bpfDirectory);
  const attach = (settings: ProgramSettings, programs: LbPrograms): void => {
    writeEgressDevices(kernel, maps.others.egress_devices, settings.egress);
    links.ensure(settings.devices, (mode) => programs.of(mode));
  };

  const replacePrograms = async (next: ProgramSettings): Promise<void> => {
    const loaded = await load(next);
    try {
      attach(next, loaded);
    } catch (error) {
      loaded.close();
      throw error;
    }
    programs.close();
    programs = loaded;
    settings = next;
  };

  const applier = new Applier({
    kernel,
    maps,
    stores: kernelStores(kernel),
    agentNextHops: agentNextHops(maps.arrays.next_hops.entries),
    outerSource: outerSourceOf(options.config),
    clock,
  });
  const inOrder = serialiser();
  const closeAll = (): void => {
    links.close();
    programs.close();
    for (const map of Object.values(maps.others)) kernel.closeFd(map.fd);
    clock.close();
  };
  try {
    attach(settings, programs);
  } catch (error) {
    closeAll();
    throw error;
  }
  log.info({ hz: clock.hz, verified: programs.verifiedInstructions }, 'dataplane loaded and attached');
  leaveFormerMaps(bpfDirectory, log);

  return {
    clock,
    maps,
    get verifiedInstructions() {
      return programs.verifiedInstructions;
    },
    get services() {
      return applier.services;
    },
    get serviceCount() {
      return applier.serviceCount ?? countServices(maps, kernel);
    },
    apply: (desired, how = {}) =>
      inOrder(() =>
        applier.apply(desired.services, {
          ownAddresses: how.ownAddresses ?? [],
          deletions: how.deletions ?? true,
          everything: how.everything ?? false,
        }),
      ),
    swapProgram: (next) =>
      inOrder(async () => {
        await replacePrograms(next);
        log.info({ verified: programs.verifiedInstructions }, 'program swapped');
      }),
    updateDevices: (devices, egress) =>
      inOrder(async () => {
        const next = { ...settings, devices, egress };
        const wantsTc = devices.some((device) => device.attach === 'tc');
        const lacksTc = wantsTc && programs.verifiedInstructions.lb_tc === undefined;
        if (lacksTc) await replacePrograms(next);
        else attach(next, programs);
        settings = next;
      }),
    invalidateNextHops: () => invalidateNextHops(maps.arrays.next_hops, clock),
    releaseFormer: () =>
      inOrder(async () => {
        const timeouts = timeoutsInJiffies(settings.config.timeouts, clock.hz);
        const hash = new ServiceHash(settings.hashSeed);
        const settled = await applier.settle({ hash, timeouts });
        if (settled !== undefined && settled.flipped + settled.forgotten + settled.cleared > 0) {
          const { isNamed: _, ...report } = settled;
          log.info(report, 'windows of changed services settled');
        }
        return applier.releaseFormer(() => {
          const isNamed = namedBackends(maps.arrays.flow_records, timeouts, clock.now());
          return (index, generation) =>
            isNamed(index, generation) || settled?.isNamed(index, generation) === true;
        });
      }),
    health() {
      const devices = links.health(settings.devices, (mode) => programs.of(mode));
      return { ok: devices.every(({ attached }) => attached), devices };
    },
    close: () => inOrder(async () => closeAll()),
  };
}

/** Runs one task after the other, whatever becomes of those before. */
function serialiser(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next.catch(() => undefined);
    return next;
  };
}

/**
 * Takes the programs off all devices and removes every pin below the directory: what `cleanup` does. No
 * agent may use it meanwhile.
 */
export function cleanupPins(
  kernel: Pick<Kernel, 'openPinnedLink' | 'detachLink' | 'closeFd'>,
  bpfDirectory: string,
  direction: Direction = 'ingress',
): void {
  const links = linksDirectory(bpfDirectory);
  for (const name of existsSync(links) ? readdirSync(links) : []) {
    const link = kernel.openPinnedLink(join(links, name), direction);
    if (link !== undefined) {
      if (link.ifindex !== 0) kernel.detachLink(link);
      kernel.closeFd(link.fd);
    }
    unlinkSync(join(links, name));
  }
  for (const directory of [links, mapsDirectory(bpfDirectory)]) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) unlinkSync(join(directory, name));
    rmdirSync(directory);
  }
}
