/** What the agent wrote into the maps, as model state: configuration only, flows are the model's own. */

import type { DataplaneConfig } from '../../src/dataplane/program-config.ts';
import { agentNextHops } from '../../src/dataplane/room.ts';
import { readSourceRanges, type SourceRange } from '../../src/dataplane/source-ranges.ts';
import {
  addressFamily,
  backend as backendLayout,
  backendState,
  flowState,
  nextHop as nextHopLayout,
  SLOTS_PER_LINE,
  serviceFlag,
  service as serviceLayout,
  serviceMode,
  TABLE_BLOCK_MASK,
  TABLE_BLOCK_SHIFT,
  TABLE_CLASS_MASK,
  TABLE_CLASS_SHIFT,
  TABLE_LINE_BITS,
} from '../../src/layout/generated.ts';
import { addressAfter, type Prefix, parsePrefix } from '../../src/net/prefix.ts';
import { TABLE_SIZES } from '../../src/services/desired-state.ts';
import { type Address, isV6 } from '../model/bytes.ts';
import {
  type Backend,
  emptyState,
  type FlowState,
  frontendKey,
  type Mode,
  type ModelConfig,
  type ModelState,
  type Range,
  type Service,
} from '../model/state.ts';
import { type Bed, HZ } from './bed.ts';
import { DEVICE, expectedFib, TAG } from './network.ts';

/** As the agent always sets it. */
const ANSWERS_TTL = true;

export function modelOf(bed: Bed): ModelState {
  const state = emptyState(modelConfig(bed), expectedFib);
  state.egressDevices.set(DEVICE.lan, { ifindex: DEVICE.lan, vlan: 0 });
  state.egressDevices.set(DEVICE.far, { ifindex: DEVICE.far, vlan: 0 });
  state.egressDevices.set(DEVICE.tagged, { ifindex: DEVICE.lan, vlan: TAG });
  return state;
}

function modelConfig(bed: Bed): ModelConfig {
  const { config, hashSeed } = bed.options;
  const { vips, snat, reject, timeouts } = config;
  const nextHops = bed.map('next_hops').maxEntries;
  const jiffies = (ms: number): number => (ms * HZ) / 1000;
  const timeout: Record<FlowState, number> = {
    FLOW_FREE: 0,
    FLOW_CLAIMED: jiffies(10_000),
    FLOW_SYN: jiffies(timeouts.tcpSyn),
    FLOW_ESTABLISHED: jiffies(timeouts.tcpEstablished),
    FLOW_FIN_CLIENT: jiffies(timeouts.tcpHalfClosed),
    FLOW_FIN_BACKEND: jiffies(timeouts.tcpHalfClosed),
    FLOW_CLOSED: jiffies(timeouts.tcpClosed),
    FLOW_UDP: jiffies(timeouts.udp),
    FLOW_UDP_REPLIED: jiffies(timeouts.udpReplied),
  };
  return {
    hashSeed,
    vips: vips.ranges.map(rangeOf),
    snat: snat.ranges.flatMap(({ first, count, own }) =>
      Array.from({ length: count }, (_, i) => ({ address: addressAfter(first, i), own })),
    ),
    portMin: snat.ports.min,
    portMax: snat.ports.max,
    extraRecords: snat.sharedFlows,
    clientNextHopsFirst: agentNextHops(nextHops),
    clientNextHopsMask: nextHops / 4 - 1,
    hz: HZ,
    timeout,
    rejectPerSecond: reject.perSecond,
    answerEcho: vips.echo,
    answerTtl: ANSWERS_TTL,
    rejectUnknownPort: reject.unknownPort,
    rejectNoBackend: reject.noBackend,
    rejectNoFlow: reject.noFlow,
    cpus: bed.kernel.cpuNumbers,
    maxFlows: bed.map('flows4').maxEntries,
    maxFlows6: bed.map('flows6').maxEntries,
    maxShared: bed.map('snat_shared').maxEntries,
    ...dsrConfig(config),
    maxRemembered: bed.map('remembered4').maxEntries,
  };
}

/** As the configuration says it, not as the agent put it into rodata. */
function dsrConfig({ mode, dsr }: DataplaneConfig) {
  const sources = (dsr?.source ?? []).map(rangeOf);
  const source4 = sources.find(({ network }) => !isV6(network)) ?? { network: 0, mask: 0xffffffff };
  const source6 = sources.find(({ network }) => isV6(network)) ?? { network: 0n, mask: mask6(128) };
  return {
    defaultMode: mode,
    outer4: { network: Number(source4.network), mask: Number(source4.mask) },
    outer6: { network: BigInt(source6.network), mask: BigInt(source6.mask) },
    guePort: dsr?.guePort ?? 0,
    rememberPerSecond: dsr?.rememberPerSecond ?? 0,
  };
}

const rangeOf = ({ network, length }: Prefix): Range => ({
  network,
  mask: typeof network === 'number' ? mask4(length) : mask6(length),
});

const mask4 = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);
const mask6 = (length: number): bigint => ((1n << BigInt(length)) - 1n) << BigInt(128 - length);

/** Four words as the maps have them. */
export function addressOf(words: readonly number[], family: number): Address {
  if (family !== addressFamily.FAMILY_V6) return words[0] ?? 0;
  return words.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
}

/** Takes over services, tables, backends and whom next hops stand for; call it after each apply. */
export function readConfiguration(bed: Bed, state: ModelState): void {
  readServices(bed, state);
  readBackends(bed, state);
  readNextHops(bed, state);
}

function readServices(bed: Bed, state: ModelState): void {
  const { view, stride, entries } = bed.maps.arrays.services;
  const lives = new Map(state.services);
  const ranges = readSourceRanges(bed.map('source_ranges'), bed.kernel);
  state.frontends.clear();
  state.services.clear();
  for (let index = 1; index < entries; index += 1) {
    const { key, table, oldest, generation, flags, windowStart, windowTcp, windowUdp } = serviceLayout.read(
      view,
      index * stride,
    );
    if (lives.get(index)?.generation !== generation) forgetService(state, index);
    if (key.family === 0) continue;
    state.frontends.set(frontendKey(addressOf(key.addr, key.family), key.port, key.protocol), index);
    const sources = flags & serviceFlag.SERVICE_F_SOURCES ? { sources: sourcesOf(ranges, index) } : {};
    const hashed = {
      affinity: (flags & serviceFlag.SERVICE_F_AFFINITY) !== 0,
      hash3: (flags & serviceFlag.SERVICE_F_HASH3) !== 0,
    };
    const former = tableOf(bed, oldest);
    state.services.set(index, {
      generation,
      mode: modeOf(flags),
      table: tableOf(bed, table),
      ...(former === undefined ? {} : { oldest: former }),
      ...{ windowStart, windowTcp, windowUdp, hashed },
      ...sources,
    });
  }
}

function sourcesOf(ranges: readonly SourceRange[], index: number): NonNullable<Service['sources']> {
  return ranges
    .filter(({ service }) => service === index)
    .map(({ range }) => {
      const prefix = parsePrefix(range);
      if (prefix === undefined) throw new Error(`not a prefix: ${range}`);
      return rangeOf(prefix);
    });
}

/** A new life of an index begins with counters of zero. */
function forgetService({ counters }: ModelState, index: number): void {
  counters.services.delete(index);
  for (const key of counters.serviceDrops.keys()) {
    if (key.startsWith(`${index} `)) counters.serviceDrops.delete(key);
  }
}

const MODES = new Map<number, Mode>([
  [serviceMode.MODE_SNAT, 'snat'],
  [serviceMode.MODE_IPIP, 'ipip'],
  [serviceMode.MODE_GUE, 'gue'],
  [serviceMode.MODE_L2, 'l2'],
]);

function modeOf(flags: number): Mode {
  return MODES.get(flags & serviceFlag.SERVICE_F_MODE) as Mode;
}

function tableOf(bed: Bed, word: bigint): Service['table'] {
  const field = (shift: number, mask: number): number => Number((word >> BigInt(shift)) & BigInt(mask));
  const size = TABLE_SIZES[field(TABLE_CLASS_SHIFT, TABLE_CLASS_MASK) - 1];
  if (size === undefined) return undefined;
  const { view, stride } = bed.maps.arrays.maglev_slots;
  const line = field(0, 2 ** TABLE_LINE_BITS - 1);
  const slots = Uint16Array.from({ length: size }, (_, slot) =>
    view.getUint16((line + Math.floor(slot / SLOTS_PER_LINE)) * stride + (slot % SLOTS_PER_LINE) * 2, true),
  );
  return { slots, block: field(TABLE_BLOCK_SHIFT, TABLE_BLOCK_MASK) };
}

const BACKEND_STATES = new Map<number, Backend['state']>([
  [backendState.BACKEND_FREE, 'BACKEND_FREE'],
  [backendState.BACKEND_ACTIVE, 'BACKEND_ACTIVE'],
  [backendState.BACKEND_DRAINING, 'BACKEND_DRAINING'],
]);

function readBackends(bed: Bed, state: ModelState): void {
  const { view, stride, entries } = bed.maps.arrays.backends;
  for (let index = 0; index < entries; index += 1) {
    const entry = backendLayout.read(view, index * stride);
    const former = state.backends.get(index)?.generation;
    if (former !== undefined && former !== entry.generation) state.counters.backends.delete(index);
    state.backends.set(index, {
      address: addressOf(entry.addr, entry.family),
      port: entry.port,
      nextHop: entry.nextHop,
      generation: entry.generation,
      state: BACKEND_STATES.get(entry.state) ?? 'BACKEND_FREE',
      service: entry.service,
    });
  }
}

/** How to get there is for the programs to find out, and for the model. */
function readNextHops(bed: Bed, state: ModelState): void {
  const { view, stride } = bed.maps.arrays.next_hops;
  for (let index = 1; index < state.config.clientNextHopsFirst; index += 1) {
    const entry = nextHopLayout.read(view, index * stride);
    const address = addressOf(entry.addr, entry.family);
    if (entry.family === 0) state.nextHops.delete(index);
    else if (state.nextHops.get(index)?.address !== address) {
      state.nextHops.set(index, {
        state: 'NEXT_HOP_UNRESOLVED',
        destinationMac: new Uint8Array(6),
        sourceMac: new Uint8Array(6),
        vlan: 0,
        ifindex: 0,
        refreshed: entry.refreshed,
        mtu: entry.mtu,
        isRouted: entry.routed !== 0,
        address,
        inUse: false,
        generation: entry.generation,
      });
    }
  }
}

/** enum flow_state as the model says it. */
export const flowStateNames = new Map<number, string>(
  Object.entries(flowState).map(([name, value]) => [value, name]),
);
