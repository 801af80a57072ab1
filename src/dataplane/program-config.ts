/** From the configuration to what is fixed for a program's life: rodata, and the sizes of the maps. */
import type { Config } from '../config/config.ts';
import {
  DROPS_PER_SERVICE,
  flowState,
  lbConfig,
  MAX_SNAT_RANGES,
  MAX_VIP_RANGES,
  SLOTS_PER_LINE,
  serviceMode,
} from '../layout/generated.ts';
import { agentNextHops } from './room.ts';

/** What of the configuration the dataplane needs. */
export type DataplaneConfig = Pick<Config, 'vips' | 'snat' | 'timeouts' | 'reject' | 'limits'>;

/** What is not in the configuration file. */
export interface ProgramFacts {
  /** The same on all nodes; it decides which flow falls on which slot. */
  readonly hashSeed: bigint;
  /** Jiffies a second. */
  readonly hz: number;
  /** CPUs that a program may run on. */
  readonly cpus: number;
}

const NO_ADDRESS = [0, 0, 0, 0];
const NO_SNAT_RANGE6 = { prefix: [0, 0, 0], first: 0, count: 0, firstIndex: 0, own: 0, reserved: 0 };
const FREE_FRONTEND_PLACES = 3;
const FLOW_CLAIMED_MS = 10_000;

/** Size of each map that the configuration decides, by name. */
export function mapSizes(config: DataplaneConfig): Record<string, number> {
  const { services, backends, slots, nextHops } = config.limits;
  const counted = services + 1;
  // Each VIP in use has an entry of its own without counters: as many as services, at the most.
  const entries = counted + services + MAX_VIP_RANGES;
  const { records, flows, extra } = flowCapacity(config);
  // Blocks are powers of two, and an outgrown one stays for a while.
  const backendEntries = Math.max(64, 2 * backends);
  return {
    frontends: nextPowerOfTwo(entries / FREE_FRONTEND_PLACES),
    frontend_overflow: Math.max(1024, Math.ceil(entries / 16)),
    services: entries,
    service_counters: counted,
    service_drops: counted * DROPS_PER_SERVICE,
    maglev_slots: slots / SLOTS_PER_LINE,
    backends: backendEntries,
    backend_counters: backendEntries,
    next_hops: nextHops,
    flow_records: records,
    flows4: flows,
    flows6: 1,
    remembered4: 1,
    remembered6: 1,
    remember_budgets: counted,
    fragments: 1,
    source_ranges: 1,
    snat_shared: extra + 1024,
    snat_extra_keys: Math.max(1, extra),
  };
}

/** Bytes of `config` in .rodata. */
export function programRodata(config: DataplaneConfig, facts: ProgramFacts): Uint8Array {
  const sizes = mapSizes(config);
  const nextHops = sizes.next_hops as number;
  const { ranges, ports } = config.snat;
  const vip4 = config.vips.ranges.map(({ network, length }) => ({ network, mask: maskOf(length) }));
  checkCount('vips.ranges', vip4.length, MAX_VIP_RANGES);
  checkCount('snat.addresses', ranges.length, MAX_SNAT_RANGES);
  let addresses = 0;
  const snat4 = ranges.map(({ first, count, own }) => {
    const range = { first, count, firstIndex: addresses, own: own ? 1 : 0 };
    addresses += count;
    return range;
  });
  return lbConfig.encode({
    hashSeed: facts.hashSeed,
    vip4Count: vip4.length,
    vip4: padded(vip4, MAX_VIP_RANGES, { network: 0, mask: 0 }),
    snat4Count: snat4.length,
    snat4: padded(snat4, MAX_SNAT_RANGES, { first: 0, count: 0, firstIndex: 0, own: 0 }),
    snatPortMin: ports.min,
    snatPortMax: ports.max,
    snatAddresses: addresses,
    snat4Addresses: addresses,
    extraRecords: config.snat.sharedFlows,
    bucketMask: (sizes.frontends as number) - 1,
    clientNextHopsFirst: agentNextHops(nextHops),
    clientNextHopsMask: nextHops / 4 - 1,
    hz: facts.hz,
    cpus: facts.cpus,
    timeout: timeoutsInJiffies(config.timeouts, facts.hz),
    rejectPerSecond: config.reject.perSecond,
    vip6Count: 0,
    vip6: padded([], MAX_VIP_RANGES, { network: NO_ADDRESS, mask: NO_ADDRESS }),
    snat6Count: 0,
    snat6: padded([], MAX_SNAT_RANGES, NO_SNAT_RANGE6),
    outer4: { network: 0, mask: 0xffffffff },
    outer6: { network: NO_ADDRESS, mask: NO_ADDRESS },
    guePort: 6080,
    defaultMode: serviceMode.MODE_SNAT,
    reservedMode: 0,
    rememberPerSecond: 0,
    answerEcho: config.vips.echo ? 1 : 0,
    rejectUnknownPort: config.reject.unknownPort ? 1 : 0,
    rejectNoBackend: config.reject.noBackend ? 1 : 0,
    rejectNoFlow: config.reject.noFlow ? 1 : 0,
  });
}

/** By enum flow_state, in jiffies. */
export function timeoutsInJiffies(timeouts: Config['timeouts'], hz: number): number[] {
  const ms = new Array<number>(flowState.FLOW_STATES).fill(0);
  // A record that is being written is done within microseconds; this only bounds what a fault could hold.
  ms[flowState.FLOW_CLAIMED] = FLOW_CLAIMED_MS;
  ms[flowState.FLOW_SYN] = timeouts.tcpSyn;
  ms[flowState.FLOW_ESTABLISHED] = timeouts.tcpEstablished;
  ms[flowState.FLOW_FIN_CLIENT] = timeouts.tcpHalfClosed;
  ms[flowState.FLOW_FIN_BACKEND] = timeouts.tcpHalfClosed;
  ms[flowState.FLOW_CLOSED] = timeouts.tcpClosed;
  ms[flowState.FLOW_UDP] = timeouts.udp;
  ms[flowState.FLOW_UDP_REPLIED] = timeouts.udpReplied;
  return ms.map((value) => Math.min(0x7fffffff, Math.ceil((value * hz) / 1000)));
}

/** records: entries of flow_records; flows: of flows4, with room for orphans that wait to be met. */
function flowCapacity(config: DataplaneConfig): { records: number; flows: number; extra: number } {
  const addresses = config.snat.ranges.reduce((sum, range) => sum + range.count, 0);
  const extra = config.snat.sharedFlows;
  const usable = addresses * (config.snat.ports.max - config.snat.ports.min + 1) + extra;
  return {
    records: addresses * 0x10000 + extra,
    flows: usable + Math.max(4096, Math.ceil(usable / 8)),
    extra,
  };
}

function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
}

function padded<T>(values: readonly T[], length: number, rest: T): T[] {
  return Array.from({ length }, (_, index) => values[index] ?? rest);
}

function checkCount(key: string, count: number, most: number): void {
  if (count > most) throw new RangeError(`${key} has ${count} ranges, at most ${most} are possible`);
}

function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(16, value)));
}
