/**
 * The real programs, loaded with a configuration of the test's, on maps that
 * the agent's own code fills; nothing is pinned or attached.
 */
import { resolve } from 'node:path';
import { Applier } from '../../src/dataplane/apply.ts';
import { writeEgressDevices } from '../../src/dataplane/egress-map.ts';
import { namedBackends } from '../../src/dataplane/former-flows.ts';
import { type DataplaneMaps, mapDataplane } from '../../src/dataplane/maps.ts';
import {
  type DataplaneConfig,
  mapSizes,
  outerSourceOf,
  programRodata,
  timeoutsInJiffies,
} from '../../src/dataplane/program-config.ts';
import { agentNextHops } from '../../src/dataplane/room.ts';
import { kernelStores } from '../../src/dataplane/stores.ts';
import { buildDirectory } from '../../src/kernel/build-directory.ts';
import type { BpfLink, BpfMap, Kernel, LoadedObject } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { ServiceHash } from '../../src/maglev/service-hash.ts';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { DEVICE, TAG } from './network.ts';

/**
 * Jiffies in a second, as the programs are told. Far more than there are, so that the second or two of a
 * test are nothing against any limit, and time passes only when a test says so.
 */
export const HZ = 1_000_000;

export type Hook = 'xdp' | 'tc';

export interface BedOptions {
  readonly config: DataplaneConfig;
  readonly hashSeed: bigint;
  readonly hook?: Hook;
  /** max_entries that differ from what the agent would choose. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Of tc: as if a card had summed up each packet; a run fails where the sum is wrong afterwards. */
  readonly checksumComplete?: boolean;
}

export interface Bed {
  readonly kernel: Kernel;
  readonly maps: DataplaneMaps;
  readonly options: BedOptions;
  readonly hook: Hook;
  map(name: string): BpfMap;
  memory(name: string): Buffer;
  /** Low 32 bits of jiffies. */
  now(): number;
  run(frame: Uint8Array, ingressIfindex?: number): { returnValue: number; data: Uint8Array };
  /** For packets that come by a device; gone when the link's descriptor is closed. */
  attach(ifindex: number): BpfLink;
  apply(services: readonly DesiredService[], ownAddresses?: readonly number[]): Promise<void>;
  /** A new agent, which knows nothing but what is in the maps. */
  restartAgent(): void;
  /** What the agent does every half minute. */
  settle(): Promise<void>;
  /** Empties every map, as after loading. */
  reset(): void;
  close(): void;
}

const MAPPED = [
  'frontends',
  'services',
  'maglev_slots',
  'backends',
  'next_hops',
  'snat_extra_keys',
  'snat_cursors',
  'recent4',
  'traffic_in',
  'traffic_out',
  'service_counters',
];
const HASHES = [
  'frontend_overflow',
  'flows4',
  'flows6',
  'remembered4',
  'remembered6',
  'snat_shared',
  'fragments',
];
const PER_CPU = ['drop_counters', 'event_counters', 'service_drops', 'answer_budgets', 'remember_budgets'];

export function openBed(options: BedOptions): Bed {
  const kernel = openKernel();
  const hook = options.hook ?? 'xdp';
  const facts = { hashSeed: options.hashSeed, hz: HZ, cpus: kernel.cpuNumbers };
  const object = kernel.loadObject({
    objectPath: resolve(buildDirectory(), `${hook}.bpf.o`),
    programName: `lb_${hook}`,
    rodata: { config: programRodata(options.config, facts) },
    maxEntries: { ...mapSizes(options.config, facts), ...options.sizes },
  });
  const clock = kernel.loadObject({
    objectPath: resolve(buildDirectory(), 'clock.bpf.o'),
    programName: 'read_clock',
  });
  return new LoadedBed(kernel, options, hook, object, clock);
}

class LoadedBed implements Bed {
  readonly kernel: Kernel;
  readonly options: BedOptions;
  readonly hook: Hook;
  readonly maps: DataplaneMaps;
  readonly #object: LoadedObject;
  readonly #clock: LoadedObject;
  readonly #frame = new Uint8Array(64);
  #applier: Applier;

  constructor(kernel: Kernel, options: BedOptions, hook: Hook, object: LoadedObject, clock: LoadedObject) {
    this.kernel = kernel;
    this.options = options;
    this.hook = hook;
    this.#object = object;
    this.#clock = clock;
    this.maps = mapDataplane(kernel, object.maps, 'write');
    this.#applier = this.#newApplier();
    this.reset();
  }

  map(name: string): BpfMap {
    const map = this.#object.maps.get(name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return map;
  }

  memory(name: string): Buffer {
    return this.kernel.mapMemory(this.map(name), 'write');
  }

  now(): number {
    return this.kernel.testRun(this.#clock.programFd, { data: this.#frame }).returnValue >>> 0;
  }

  run(frame: Uint8Array, ingressIfindex: number = DEVICE.lan): { returnValue: number; data: Uint8Array } {
    const { checksumComplete = false } = this.options;
    return this.kernel.testRun(this.#object.programFd, { data: frame, ingressIfindex, checksumComplete });
  }

  attach(ifindex: number): BpfLink {
    return this.kernel.attach(this.#object.programFd, ifindex, this.hook);
  }

  restartAgent(): void {
    this.#applier = this.#newApplier();
  }

  async settle(): Promise<void> {
    const { config, hashSeed } = this.options;
    const timeouts = timeoutsInJiffies(config.timeouts, HZ);
    const report = await this.#applier.settle({ hash: new ServiceHash(hashSeed), timeouts });
    await this.#applier.releaseFormer(() => {
      const isNamed = namedBackends(this.maps.arrays.flow_records, timeouts, this.now());
      return (index, generation) => isNamed(index, generation) || report?.isNamed(index, generation) === true;
    });
    // What the agent forgets has a copy for a second more. That second is over.
    this.memory('recent4').fill(0);
  }

  async apply(services: readonly DesiredService[], ownAddresses: readonly number[] = []): Promise<void> {
    const report = await this.#applier.apply(services, { ownAddresses, deletions: true });
    if (report.waiting.length > 0) throw new Error(`could not be applied: ${report.waiting.join(', ')}`);
  }

  reset(): void {
    for (const name of MAPPED) this.memory(name).fill(0);
    this.#clearRecords();
    for (const name of HASHES) {
      for (const { key } of this.kernel.entries(this.map(name))) this.kernel.delete(this.map(name), key);
    }
    for (const name of PER_CPU) this.kernel.clearPerCpu(this.map(name), 0, this.map(name).maxEntries);
    writeEgressDevices(this.kernel, this.map('egress_devices'), [
      { ifindex: DEVICE.lan, parent: DEVICE.lan, vlan: 0 },
      { ifindex: DEVICE.far, parent: DEVICE.far, vlan: 0 },
      { ifindex: DEVICE.tagged, parent: DEVICE.lan, vlan: TAG },
    ]);
    this.#applier = this.#newApplier();
  }

  close(): void {
    this.#object.close();
    this.#clock.close();
  }

  /** Only the ports in use: there are 64 bytes for each of 65,536. */
  #clearRecords(): void {
    const { ranges, ports, sharedFlows } = this.options.config.snat;
    const { memory, stride } = this.maps.arrays.flow_records;
    const addresses = ranges.reduce((sum, { count }) => sum + count, 0);
    for (let address = 0; address < addresses; address += 1) {
      const first = address * 0x10000;
      memory.fill(0, (first + ports.min) * stride, (first + ports.max + 1) * stride);
    }
    memory.fill(0, addresses * 0x10000 * stride, (addresses * 0x10000 + sharedFlows) * stride);
  }

  #newApplier(): Applier {
    const { kernel, maps } = this;
    return new Applier({
      kernel: {
        entries: (map) => kernel.entries(map),
        batches: (map) => kernel.batches(map),
        buildMaglevTable: (slots, hashes, quotas) => kernel.buildMaglevTable(slots, hashes, quotas),
        // Packets go through one by one, and none while the agent is at work.
        gracePeriod: async () => {},
      },
      maps,
      stores: kernelStores(kernel),
      agentNextHops: agentNextHops(maps.arrays.next_hops.entries),
      outerSource: outerSourceOf(this.options.config),
      clock: { hz: HZ, now: () => this.now() },
    });
  }
}
