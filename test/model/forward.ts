/** docs/packet-path.md, section 4: from a client to a VIP. */
import { backendIndex, hashOf } from './choose-backend.ts';
import { forwardDsr, isDsr } from './dsr.ts';
import { backendOf, closeBy, detach, isExpired, recordOf } from './flow.ts';
import { newFlow } from './new-flow.ts';
import { refreshed, sendVia } from './next-hop.ts';
import { PROTOCOL } from './packet.ts';
import { exceed } from './reject.ts';
import { rewrite } from './rewrite.ts';
import { countEvent, countTraffic, drop, type Run, type Verdict } from './run.ts';
import { age, type Backend, type Forward, flowKey, frontendKey } from './state.ts';
import { fitsTranslated } from './too-big.ts';
import { isSyn, type Packet } from './well-formed.ts';

/** What is to be done with a packet for which a forward half was found. */
type Decision =
  | { readonly kind: 'keep'; readonly backend: Backend }
  | { readonly kind: 'new' }
  | { readonly kind: 'gone' };

export function forward(run: Run, packet: Packet): Verdict {
  if (packet.ttl <= 1) return exceed(run, packet);
  const { flows, frontends, services, config } = run.state;
  if (config.defaultMode !== 'snat') {
    const service = frontends.get(frontendKey(packet.destination, packet.destinationPort, packet.protocol));
    if (service !== undefined && isDsr(services.get(service))) return forwardDsr(run, packet, service);
  }
  const key = flowKey(
    packet.source,
    packet.destination,
    packet.sourcePort,
    packet.destinationPort,
    packet.protocol,
  );
  const flow = flows.get(key);
  if (flow === undefined) return newFlow(run, packet);

  const decision = isSyn(packet) ? knownBySyn(run, packet, flow, key) : known(run, packet, flow, key);
  if (decision.kind === 'new') {
    const verdict = newFlow(run, packet);
    // Detached, and no new flow took its place.
    if (flows.get(key) === flow) flows.delete(key);
    return verdict;
  }
  if (decision.kind === 'gone') return drop(run, 'DROP_BACKEND_GONE', flow.service);
  return sendToBackend(run, packet, flow, decision.backend);
}

function known(run: Run, packet: Packet, flow: Forward, key: string): Decision {
  const { config } = run.state;
  const isUdp = packet.protocol === PROTOCOL.udp;
  const backend = backendOf(run, flow.backend, flow.backendGeneration);
  if (backend === undefined) {
    if (!isUdp) return { kind: 'gone' };
    detach(run, flow);
    return { kind: 'new' };
  }

  const record = recordOf(run, flow);
  if (age(run.now, flow.checked) >= config.hz) {
    if (record === undefined) return orphan(run, key);
    if (isUdp && isExpired(run, record)) {
      detach(run, flow);
      return { kind: 'new' };
    }
    if (record.state === 'FLOW_SYN' && !packet.tcp.syn) record.state = 'FLOW_ESTABLISHED';
    if (record.state !== 'FLOW_CLOSED') record.seen = run.now;
    flow.checked = run.now;
  }
  if (record !== undefined && packet.tcp.syn && record.state !== 'FLOW_CLOSED') record.seen = run.now;
  if (record !== undefined && !isUdp) closeBy(run, record, 'client', packet.tcp);
  return { kind: 'keep', backend };
}

/** A SYN is a retransmission, or a new connection on a known tuple. */
function knownBySyn(run: Run, packet: Packet, flow: Forward, key: string): Decision {
  const record = recordOf(run, flow);
  if (record === undefined) return orphan(run, key);
  const backend = backendOf(run, flow.backend, flow.backendGeneration);
  const isKept = record.state === 'FLOW_SYN' || slotNames(run, packet) === flow.backend;
  if (backend === undefined || record.state === 'FLOW_CLOSED' || !isKept) {
    detach(run, flow);
    return { kind: 'new' };
  }
  record.seen = run.now;
  return { kind: 'keep', backend };
}

function orphan(run: Run, key: string): Decision {
  run.state.flows.delete(key);
  countEvent(run, 'EVENT_FLOW_ORPHAN');
  return { kind: 'new' };
}

/** The backend that a new flow with this tuple would get; undefined if it would get none. */
function slotNames(run: Run, packet: Packet): number | undefined {
  const { config, frontends, services } = run.state;
  const id = frontends.get(frontendKey(packet.destination, packet.destinationPort, packet.protocol));
  const service = id === undefined ? undefined : services.get(id);
  if (service === undefined) return undefined;
  return backendIndex(service, hashOf(config.hashSeed, packet, service));
}

/** If it fits the way: counted, rewritten, sent to the backend's next hop. */
export function sendToBackend(run: Run, packet: Packet, flow: Forward, backend: Backend): Verdict {
  const hop = refreshed(run, backend.nextHop);
  const fit = fitsTranslated(run, packet, hop, { service: flow.service, way: 'to the backend' });
  if (typeof fit === 'object') return fit;
  countTraffic(run, packet, 'in', flow.service, flow.backend);
  const frame = rewrite(packet, {
    source: flow.snatAddress,
    sourcePort: flow.snatPort,
    destination: backend.address,
    destinationPort: backend.port,
  });
  return sendVia(run, packet, frame, fit === 'kernel' ? undefined : hop, flow.service);
}
