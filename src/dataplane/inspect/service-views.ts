/** Services and backends as the API shows them. */
import { createHash } from 'node:crypto';
import type { BackendView, MaglevView, ServiceView } from '../../api/types.ts';
import {
  backendState,
  nextHop as nextHopLayout,
  nextHopState,
  SLOT_BACKEND,
  serviceFlag,
} from '../../layout/generated.ts';
import { compareAddresses, familyOf, formatAddress, wordsOf } from '../../net/address.ts';
import type { ActualBackend, ActualService } from '../actual-state.ts';
import { formatKey, protocolName } from '../frontend-key.ts';
import type { DataplaneMaps } from '../maps.ts';
import { modeOfFlags } from '../service-flags.ts';
import { type BackendNames, type FrontendNames, nameOfBackend, type ServiceNames } from '../service-names.ts';
import { tableSlots } from '../table-word.ts';
import { addTraffic } from './read-traffic.ts';
import type { Snapshot } from './snapshot.ts';

/** In one piece: the service is as it is now, its counters are as of the snapshot. */
export function serviceView(maps: DataplaneMaps, snapshot: Snapshot, service: ActualService): ServiceView {
  const frontend = formatKey(service.key);
  const names = snapshot.names.frontend(frontend);
  const backends = [...service.members.values()]
    .sort(compareEntries)
    .map((entry) => backendView(maps, snapshot, service, entry, names));
  return {
    id: service.index,
    vip: formatAddress(service.key.vip),
    port: service.key.port,
    protocol: protocolName(service.key.protocol),
    frontend,
    type: names?.type ?? 'unknown',
    namespace: names?.namespace ?? '',
    name: names?.name ?? '',
    ...(names?.portName === undefined ? {} : { portName: names.portName }),
    mode: modeOfFlags(service.flags),
    ...policyOf(service),
    tableSize: tableSlots(service.table),
    backends,
    activeFlows: backends.reduce((sum, { activeFlows }) => sum + activeFlows, 0),
    traffic: snapshot.traffic.ofService(service.index),
    drops: snapshot.serviceDrops(service.index),
  };
}

function policyOf({ flags, sources }: ActualService): Partial<ServiceView> {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    ...(has(serviceFlag.SERVICE_F_AFFINITY) ? { affinity: 'ClientIP' } : {}),
    ...(has(serviceFlag.SERVICE_F_HASH3) ? { hash: '3-tuple' } : {}),
    ...(has(serviceFlag.SERVICE_F_SOURCES) ? { sourceRanges: [...sources].sort() } : {}),
  };
}

function backendView(
  maps: DataplaneMaps,
  snapshot: Snapshot,
  service: ActualService,
  entry: ActualBackend,
  names: FrontendNames | undefined,
): BackendView {
  // Flows of an outgrown block are this backend's too.
  const lives = [entry, ...service.former.filter(({ endpoint }) => endpoint === entry.endpoint)];
  const slots = tableSlots(service.table);
  const { reason, target, node } = namesOfBackend(names, entry);
  return {
    index: entry.index,
    address: formatAddress(entry.address),
    port: entry.port,
    state: entry.state === backendState.BACKEND_DRAINING ? 'draining' : 'active',
    ...(reason === undefined ? {} : { reason }),
    weight: weightOf(names, entry),
    slots: entry.slots,
    share: slots === 0 ? 0 : entry.slots / slots,
    ...(target === undefined ? {} : { target }),
    ...(node === undefined ? {} : { node }),
    nextHop: nextHopOf(maps, entry.nextHop),
    activeFlows: lives.reduce((sum, { index }) => sum + (snapshot.flows.byBackend[index] ?? 0), 0),
    traffic: lives.map((life) => snapshot.traffic.ofBackend(life)).reduce(addTraffic),
  };
}

export function maglevView(maps: DataplaneMaps, stored: ServiceNames, service: ActualService): MaglevView {
  const frontend = formatKey(service.key);
  const names = stored.frontend(frontend);
  const slots = tableSlots(service.table);
  const members = [...service.members.values()]
    .filter((entry) => entry.slots > 0 || weightOf(names, entry) > 0)
    .sort(compareEntries);
  const sum = members.reduce((total, entry) => total + weightOf(names, entry), 0);
  return {
    frontend,
    name: names === undefined ? '' : `${names.namespace}/${names.name}`,
    tableSize: slots,
    fingerprint: tableFingerprint(maps, service),
    backends: members.map((entry) => ({
      address: formatAddress(entry.address),
      port: entry.port,
      weight: weightOf(names, entry),
      slots: entry.slots,
      share: slots === 0 ? 0 : entry.slots / slots,
      wanted: sum === 0 ? 0 : (slots * weightOf(names, entry)) / sum,
    })),
  };
}

/**
 * First 16 hexadecimal digits of the SHA-256 over the slots in order, each as address (4 bytes, or 16), port
 * (2) and protocol (1), big-endian. Indexes differ between nodes, identities do not.
 */
export function tableFingerprint(maps: DataplaneMaps, service: ActualService): string {
  const slots = tableSlots(service.table);
  const { memory, stride } = maps.arrays.maglev_slots;
  const byPosition = new Map(
    [...service.members.values()].map((entry) => [entry.index - service.table.block, entry]),
  );
  const identities = new Map(
    [...byPosition].map(([position, entry]) => [position, identityBytes(entry, service.key.protocol)]),
  );
  const unknown = identityBytes({ address: 0, port: 0 }, service.key.protocol);
  const named = Array.from({ length: slots }, (_, slot) => {
    const position = memory.readUInt16LE(service.table.line * stride + slot * 2) & SLOT_BACKEND;
    return identities.get(position) ?? unknown;
  });
  return createHash('sha256').update(Buffer.concat(named)).digest('hex').slice(0, 16);
}

function identityBytes({ address, port }: Pick<ActualBackend, 'address' | 'port'>, protocol: number): Buffer {
  const words = wordsOf(address).slice(0, familyOf(address) === 4 ? 1 : 4);
  const bytes = Buffer.alloc(words.length * 4 + 3);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, index * 4);
  bytes.writeUInt16BE(port, words.length * 4);
  bytes.writeUInt8(protocol, words.length * 4 + 2);
  return bytes;
}

function compareEntries(x: ActualBackend, y: ActualBackend): number {
  return compareAddresses(x.address, y.address) || x.port - y.port;
}

function namesOfBackend(names: FrontendNames | undefined, entry: ActualBackend): Partial<BackendNames> {
  return names?.backends[nameOfBackend({ address: formatAddress(entry.address), port: entry.port })] ?? {};
}

function weightOf(names: FrontendNames | undefined, entry: ActualBackend): number {
  return namesOfBackend(names, entry).weight ?? (entry.state === backendState.BACKEND_DRAINING ? 0 : 1);
}

function nextHopOf(maps: DataplaneMaps, index: number): BackendView['nextHop'] {
  if (index === 0) return 'none';
  const { view, stride } = maps.arrays.next_hops;
  const state = view.getUint16(index * stride + nextHopLayout.offsets.state, true);
  if (state === nextHopState.NEXT_HOP_VALID) return 'valid';
  return state === nextHopState.NEXT_HOP_BLACKHOLE ? 'blackhole' : 'unresolved';
}
