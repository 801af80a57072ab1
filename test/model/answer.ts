/** docs/packet-path.md, section 8: from a backend to a SNAT address. */
import { backendOf, closeBy } from './flow.ts';
import { clientNextHop, refreshed, sendVia } from './next-hop.ts';
import { PROTOCOL } from './packet.ts';
import { rewrite } from './rewrite.ts';
import { countTraffic, drop, type Run, type Verdict } from './run.ts';
import { PORTS } from './snat-port.ts';
import { age, type DropReason, type FlowRecord, recordAt, sharedKey } from './state.ts';
import { fitsTranslated } from './too-big.ts';
import type { Packet } from './well-formed.ts';

/** `refuse` is for what happens before a flow is matched. */
export function answer(
  run: Run,
  packet: Packet,
  snatIndex: number,
  refuse: (reason: DropReason) => Verdict,
): Verdict {
  const record = findRecord(run, packet, snatIndex);
  if (record === undefined) return refuse('DROP_SNAT_NO_FLOW');
  if (packet.ttl <= 1) return drop(run, 'DROP_TTL', record.service);
  updateState(run, packet, record);
  const hop = refreshed(run, nextHopOf(run, record));
  const fit = fitsTranslated(run, packet, hop, { service: record.service, way: 'to the client' });
  if (typeof fit === 'object') return fit;
  countTraffic(run, packet, 'out', record.service, record.backend);
  const frame = rewrite(packet, {
    source: record.vip,
    sourcePort: record.vipPort,
    destination: record.client,
    destinationPort: record.clientPort,
  });
  return sendVia(run, packet, frame, fit === 'kernel' ? undefined : hop, record.service);
}

/** What of an answer finds its record. */
export type AnswerEnds = Pick<Packet, 'source' | 'sourcePort' | 'destinationPort' | 'protocol'>;

export function findRecord(run: Run, packet: AnswerEnds, snatIndex: number): FlowRecord | undefined {
  const { config, shared } = run.state;
  const port = packet.destinationPort;
  if (port < config.portMin || port > config.portMax) return undefined;
  const direct = recordAt(run.state, snatIndex * PORTS + port);
  if (matches(run, packet, direct, snatIndex)) return direct;
  if (!direct.shared) return undefined;
  const extra = shared.get(sharedKey(packet.source, packet.sourcePort, snatIndex, port, packet.protocol));
  if (extra === undefined) return undefined;
  const record = recordAt(run.state, extra);
  return matches(run, packet, record, snatIndex) ? record : undefined;
}

function matches(run: Run, packet: AnswerEnds, record: FlowRecord, snatIndex: number): boolean {
  if (record.state === 'FLOW_FREE' || record.state === 'FLOW_CLAIMED' || record.detached) return false;
  if (record.snatIndex !== snatIndex || record.snatPort !== packet.destinationPort) return false;
  const backend = backendOf(run, record.backend, record.backendGeneration);
  return (
    record.protocol === packet.protocol &&
    backend !== undefined &&
    backend.address === packet.source &&
    backend.port === packet.sourcePort
  );
}

function updateState(run: Run, packet: Packet, record: FlowRecord): void {
  const isDue = record.state !== 'FLOW_CLOSED' && age(run.now, record.seen) >= run.state.config.hz;
  if (packet.protocol === PROTOCOL.tcp) closeBy(run, record, 'backend', packet.tcp);
  else if (record.state === 'FLOW_UDP') {
    record.state = 'FLOW_UDP_REPLIED';
    record.seen = run.now;
  }
  if (!isDue) return;
  record.seen = run.now;
  record.clientNextHop = clientNextHop(run, record.client);
}

/** A place that was taken over since is looked up anew. */
export function nextHopOf(run: Run, record: FlowRecord): number {
  const { index, generation } = record.clientNextHop;
  if (index !== 0 && run.state.nextHops.get(index)?.generation !== generation) {
    record.clientNextHop = clientNextHop(run, record.client);
  }
  return record.clientNextHop.index;
}
