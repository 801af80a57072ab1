/** A dataplane to measure, opened and filled by the agent's own code as in the demo. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { DataplaneMaps } from '../../src/dataplane/maps.ts';
import { cleanupPins, type Dataplane, openDataplane } from '../../src/dataplane/open-dataplane.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import {
  desiredServices,
  type FrontendAddress,
  frontendOf,
  type ServiceKind,
  SNAT,
  VIP_RANGES,
} from './desired.ts';
import { LAYOUT } from './namespace.ts';

export interface BedOptions {
  readonly services: number;
  /** SNAT addresses, from 10.2.0.1 on. */
  readonly snatCount: number;
  readonly ports?: { readonly min: number; readonly max: number };
  /** Milliseconds; shorter than the configuration file allows. */
  readonly tcpSyn?: number;
  /** Default: IPv4, TCP, SNAT. */
  readonly kind?: ServiceKind;
  /** Flows of tracked slots that there is room for. */
  readonly remembered?: number;
}

export interface Bed {
  readonly dataplane: Dataplane;
  readonly programFd: number;
  readonly maps: DataplaneMaps;
  readonly frontends: readonly FrontendAddress[];
  readonly services: number;
  /** The first SNAT address. */
  readonly snatFirst: number;
  /** Ports of all SNAT addresses. */
  readonly snatPorts: number;
  readonly ingressIfindex: number;
  close(): Promise<void>;
}

export const BACKENDS_EACH = 10;
export const TABLE_SIZE = 4099;
/** Where the bench's mount namespace has its own bpffs. */
const PINS = '/sys/fs/bpf';
const SNAT_FIRST = 0x0a020001;
const HASH_SEED = 0x243f6a8885a308d3n;

let opened = 0;

/** Everything that is not said here is the default, as in the demo. */
function benchConfig(options: BedOptions) {
  const config = parseConfig(
    [
      'node: bench',
      `vips: { ranges: [${VIP_RANGES.join(', ')}] }`,
      `devices: [{ name: ${LAYOUT.device} }]`,
      `mode: ${(options.kind ?? SNAT).mode}`,
      'dsr:',
      '  source: [172.20.0.0/16, fd00:20::/96]',
      `  rememberedFlows: ${options.remembered ?? 1024}`,
      // So that the flows of the longest list are remembered within seconds.
      '  rememberPerSecond: 1000000',
      `snat: { addresses: [10.2.0.1-10.2.0.${options.snatCount}] }`,
    ].join('\n'),
    'bench',
  );
  return {
    ...config,
    snat: { ...config.snat, ...(options.ports ? { ports: options.ports } : {}) },
    timeouts: { ...config.timeouts, ...(options.tcpSyn ? { tcpSyn: options.tcpSyn } : {}) },
  };
}

/** Opens a dataplane without a service. The program is loaded, and not attached: the kernel runs it for us. */
export async function openEmptyBed(kernel: Kernel, options: BedOptions): Promise<Bed> {
  const config = benchConfig(options);
  const bpfDirectory = join(PINS, `l4lb-bench-${opened++}`);
  const ingressIfindex = LAYOUT.deviceIfindex;
  let programFd = -1;
  const dataplane = await openDataplane({
    kernel: {
      ...kernel,
      async loadObjectAside(load) {
        const object = await kernel.loadObjectAside(load);
        if (load.programName === 'lb_xdp') programFd = object.programFd;
        return object;
      },
    },
    bpfDirectory,
    config,
    hashSeed: HASH_SEED,
    devices: [],
    egress: [{ ifindex: ingressIfindex, parent: ingressIfindex, vlan: 0 }],
    log: { info: () => {} },
  });
  if (programFd < 0) throw new Error('the dataplane loaded no lb_xdp in the way that this bench watches');
  const { min, max } = config.snat.ports;
  return {
    dataplane,
    programFd,
    maps: dataplane.maps,
    frontends: Array.from({ length: options.services }, (_, n) => frontendOf(n)),
    services: options.services,
    snatFirst: SNAT_FIRST,
    snatPorts: options.snatCount * (max - min + 1),
    ingressIfindex,
    async close() {
      await dataplane.close();
      cleanupPins(kernel, bpfDirectory);
      rmSync(bpfDirectory, { recursive: true, force: true });
    },
  };
}

/** And with its services. */
export async function openBed(kernel: Kernel, options: BedOptions): Promise<Bed> {
  const bed = await openEmptyBed(kernel, options);
  const { backendNetwork, backendHosts } = LAYOUT;
  const state = desiredServices(
    options.services,
    BACKENDS_EACH,
    TABLE_SIZE,
    backendNetwork,
    backendHosts,
    options.kind,
  );
  const report = await bed.dataplane.apply(state);
  if (report.created !== options.services || report.waiting.length > 0) {
    throw new Error(
      `${report.created} of ${options.services} services were made; waiting: ${report.waiting}`,
    );
  }
  return bed;
}
