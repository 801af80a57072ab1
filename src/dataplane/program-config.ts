/** From the configuration to what is fixed for a program's life: rodata, and the sizes of the maps. */
import type { Config, SnatRange } from '../config/config.ts';
import {
  DROPS_PER_SERVICE,
  flowState,
  lbConfig,
  MAX_SNAT_RANGES,
  MAX_VIP_RANGES,
  SLOTS_PER_LINE,
} from '../layout/generated.ts';
import { type AddressWords, familyOf, wordsOf } from '../net/address.ts';
import { maskWords, type Prefix } from '../net/prefix.ts';
import { agentNextHops } from './room.ts';
import { modeNumber } from './service-flags.ts';
import { trafficRow } from './traffic-counters.ts';

/** What of the configuration the dataplane needs. */
export type DataplaneConfig = Pick<
  Config,
  'vips' | 'mode' | 'dsr' | 'snat' | 'timeouts' | 'reject' | 'limits'
>;

/** What is not in the configuration file. */
export interface ProgramFacts {
  /** The same on all nodes; it decides which flow falls on which slot. */
  readonly hashSeed: bigint;
  /** Jiffies a second. */
  readonly hz: number;
  /** More than the highest number of a CPU that a program may run on. */
  readonly cpus: number;
}

const FREE_FRONTEND_PLACES = 3;
const FLOW_CLAIMED_MS = 10_000;
/** Packets whose first fragment is remembered; the oldest go first. */
const FRAGMENTS = 16_384;
/** Memory is taken by entries that are there, so this only bounds what manifests can take. */
const SOURCE_RANGES = 65_536;
const DEFAULT_GUE_PORT = 6080;

/** Size of each map that the configuration decides, by name. What is not configured has one entry. */
export function mapSizes(
  config: DataplaneConfig,
  { cpus }: Pick<ProgramFacts, 'cpus'>,
): Record<string, number> {
  const { services, backends, slots, nextHops } = config.limits;
  const counted = services + 1;
  // Each VIP in use has an entry of its own without counters: as many as services, at the most.
  const entries = counted + services + MAX_VIP_RANGES;
  const extra = config.snat.sharedFlows;
  const addresses = addressesOf(config.snat.ranges);
  // Blocks are powers of two, and an outgrown one stays for a while.
  const backendEntries = Math.max(64, 2 * backends);
  const remembered = config.dsr?.rememberedFlows ?? 1;
  return {
    frontends: nextPowerOfTwo(entries / FREE_FRONTEND_PLACES),
    frontend_overflow: Math.max(1024, Math.ceil(entries / 16)),
    services: entries,
    service_counters: counted,
    service_drops: counted * DROPS_PER_SERVICE,
    maglev_slots: slots / SLOTS_PER_LINE,
    backends: backendEntries,
    traffic_in: cpus * trafficRow(backendEntries),
    traffic_out: cpus * trafficRow(backendEntries),
    next_hops: nextHops,
    flow_records: Math.max(1, addresses * 0x10000 + extra),
    flows4: flowCapacity(config, 4),
    flows6: flowCapacity(config, 6),
    // Of both families, so that VIP ranges of a family can come without other maps.
    remembered4: remembered,
    remembered6: remembered,
    recent4: nextPowerOfTwo(remembered / 2),
    remember_budgets: config.dsr === undefined ? 1 : counted,
    fragments: FRAGMENTS,
    source_ranges: SOURCE_RANGES,
    snat_shared: extra + 1024,
    snat_extra_keys: Math.max(1, extra),
  };
}

/** Bytes of `config` in .rodata. */
export function programRodata(config: DataplaneConfig, facts: ProgramFacts): Uint8Array {
  const sizes = mapSizes(config, facts);
  const nextHops = sizes.next_hops as number;
  const { ranges, ports } = config.snat;
  const snat4 = ranges.filter(isFamily(4));
  const snat6 = ranges.filter(isFamily(6));
  const snat4Addresses = addressesOf(snat4);
  return lbConfig.encode({
    hashSeed: facts.hashSeed,
    ...vipPrefixes(config.vips.ranges),
    snat4Count: counted('snat.addresses', snat4, MAX_SNAT_RANGES),
    snat4: padded(numbered(snat4, 0).map(range4), MAX_SNAT_RANGES, NO_RANGE4),
    snatPortMin: ports.min,
    snatPortMax: ports.max,
    snatAddresses: addressesOf(ranges),
    snat4Addresses,
    extraRecords: config.snat.sharedFlows,
    bucketMask: (sizes.frontends as number) - 1,
    clientNextHopsFirst: agentNextHops(nextHops),
    clientNextHopsMask: nextHops / 4 - 1,
    recentMask: (sizes.recent4 as number) - 1,
    hz: facts.hz,
    cpus: facts.cpus,
    trafficRow: trafficRow(sizes.backends as number),
    timeout: timeoutsInJiffies(config.timeouts, facts.hz),
    rejectPerSecond: config.reject.perSecond,
    snat6Count: counted('snat.addresses', snat6, MAX_SNAT_RANGES),
    snat6: padded(numbered(snat6, snat4Addresses).map(range6), MAX_SNAT_RANGES, NO_RANGE6),
    ...outerSources(config.dsr?.source ?? []),
    guePort: config.dsr?.guePort ?? DEFAULT_GUE_PORT,
    defaultMode: modeNumber(config.mode),
    answerTtl: 1,
    rememberPerSecond: config.dsr?.rememberPerSecond ?? 0,
    answerEcho: config.vips.echo ? 1 : 0,
    rejectUnknownPort: config.reject.unknownPort ? 1 : 0,
    rejectNoBackend: config.reject.noBackend ? 1 : 0,
    rejectNoFlow: config.reject.noFlow ? 1 : 0,
  });
}

/** The network part of the outer IPv4 source, which is in the checksums of backend entries; 0 without one. */
export function outerSourceOf(config: Pick<DataplaneConfig, 'dsr'>): number {
  return outerSources(config.dsr?.source ?? []).outer4.network;
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

/** Entries of flows4 or flows6, with room for orphans that wait to be met; 1 when no flow can be there. */
function flowCapacity(config: DataplaneConfig, family: number): number {
  const { ranges, ports, sharedFlows } = config.snat;
  const addresses = addressesOf(ranges.filter(isFamily(family)));
  if (addresses === 0) return 1;
  const usable = addresses * (ports.max - ports.min + 1) + sharedFlows;
  return usable + Math.max(4096, Math.ceil(usable / 8));
}

const isFamily =
  (family: number) =>
  ({ first }: SnatRange): boolean =>
    familyOf(first) === family;

function addressesOf(ranges: readonly SnatRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

interface NumberedRange {
  readonly words: AddressWords;
  readonly count: number;
  readonly firstIndex: number;
  readonly own: number;
}

/** SNAT addresses have one numbering over both families, IPv4 first. */
function numbered(ranges: readonly SnatRange[], firstIndex: number): NumberedRange[] {
  let next = firstIndex;
  return ranges.map(({ first, count, own }) => {
    const range = { words: wordsOf(first), count, firstIndex: next, own: own ? 1 : 0 };
    next += count;
    return range;
  });
}

const NO_RANGE4 = { first: 0, count: 0, firstIndex: 0, own: 0 };
const NO_RANGE6 = { ...NO_RANGE4, prefix: [0, 0, 0], reserved: 0 };

function range4({ words: [first], ...rest }: NumberedRange): typeof NO_RANGE4 {
  return { first, ...rest };
}

function range6({ words: [a, b, c, first], ...rest }: NumberedRange): typeof NO_RANGE6 {
  return { prefix: [a, b, c], first, ...rest, reserved: 0 };
}

interface WordPrefix {
  network: number[];
  mask: number[];
}

function wordPrefix({ network, length }: Prefix): WordPrefix {
  return { network: [...wordsOf(network)], mask: maskWords(length) };
}

const firstWord = ({ network, mask }: WordPrefix) => ({
  network: network[0] as number,
  mask: mask[0] as number,
});

const NO_PREFIX6: WordPrefix = { network: [0, 0, 0, 0], mask: [0, 0, 0, 0] };

function vipPrefixes(ranges: readonly Prefix[]) {
  const of = (family: number) => ranges.filter(({ network }) => familyOf(network) === family).map(wordPrefix);
  const [vip4, vip6] = [of(4).map(firstWord), of(6)];
  return {
    vip4Count: counted('vips.ranges', vip4, MAX_VIP_RANGES),
    vip4: padded(vip4, MAX_VIP_RANGES, firstWord(NO_PREFIX6)),
    vip6Count: counted('vips.ranges', vip6, MAX_VIP_RANGES),
    vip6: padded(vip6, MAX_VIP_RANGES, NO_PREFIX6),
  };
}

/** A family without a source has the unspecified address, and nothing is sent from that. */
function outerSources(source: readonly Prefix[]) {
  const of = (family: number): WordPrefix => {
    const found = source.find(({ network }) => familyOf(network) === family);
    return found === undefined ? { network: [0, 0, 0, 0], mask: maskWords(128) } : wordPrefix(found);
  };
  return { outer4: firstWord(of(4)), outer6: of(6) };
}

function padded<T>(values: readonly T[], length: number, rest: T): T[] {
  return Array.from({ length }, (_, index) => values[index] ?? rest);
}

function counted(key: string, values: readonly unknown[], most: number): number {
  if (values.length > most) {
    throw new RangeError(`${key} has ${values.length} ranges of a family, at most ${most} are possible`);
  }
  return values.length;
}

function nextPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(16, value)));
}
