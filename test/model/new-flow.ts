/** docs/packet-path.md, section 5: to a VIP, and no flow is known. */
import { isV6 } from './bytes.ts';
import { backendIndex, hashOf } from './choose-backend.ts';
import { forwardDsr, isDsr } from './dsr.ts';
import { sendToBackend } from './forward.ts';
import { clientNextHop } from './next-hop.ts';
import { PROTOCOL } from './packet.ts';
import { refuse } from './reject.ts';
import { countFlow, drop, type Run, type Verdict } from './run.ts';
import { allocatePort, releasePort } from './snat-port.ts';
import { type Forward, flowKey, frontendKey, recordAt } from './state.ts';
import { isClient, isSyn, type Packet } from './well-formed.ts';

export function newFlow(run: Run, packet: Packet): Verdict {
  const { config, frontends, services, backends } = run.state;
  const service = frontends.get(frontendKey(packet.destination, packet.destinationPort, packet.protocol));
  if (service === undefined) {
    if (!frontends.has(frontendKey(packet.destination, 0, 0))) return drop(run, 'DROP_UNKNOWN_VIP');
    return refuse(run, packet, 'DROP_UNKNOWN_PORT', config.rejectUnknownPort);
  }
  if (isDsr(services.get(service))) return forwardDsr(run, packet, service);
  if (!isClient(services.get(service), packet)) return drop(run, 'DROP_SOURCE_RANGE', service);
  if (packet.protocol === PROTOCOL.tcp && !isSyn(packet)) {
    return refuse(run, packet, 'DROP_NO_FLOW', config.rejectNoFlow, service);
  }
  const entry = services.get(service);
  const index = entry && backendIndex(entry, hashOf(config.hashSeed, packet, entry));
  if (index === undefined) return refuse(run, packet, 'DROP_NO_BACKEND', config.rejectNoBackend, service);
  const backend = backends.get(index);
  if (backend === undefined || backend.state === 'BACKEND_FREE') return drop(run, 'DROP_INTERNAL', service);

  const place = allocatePort(run, packet.protocol, backend, packet.family);
  if (place === undefined) return drop(run, 'DROP_SNAT_EXHAUSTED', service);

  const record = recordAt(run.state, place.record);
  const flow: Forward = {
    snatAddress: config.snat[place.snatIndex]?.address ?? 0,
    snatPort: place.snatPort,
    backend: index,
    backendGeneration: backend.generation,
    record: place.record,
    recordGeneration: record.generation,
    service,
    checked: (run.now - config.hz) >>> 0,
  };
  Object.assign(record, {
    client: packet.source,
    clientPort: packet.sourcePort,
    vip: packet.destination,
    vipPort: packet.destinationPort,
    protocol: packet.protocol,
    backend: index,
    backendGeneration: backend.generation,
    backendAddress: backend.address,
    backendPort: backend.port,
    service,
    snatIndex: place.snatIndex,
    snatPort: place.snatPort,
  });
  if (!remember(run, packet, flow)) {
    releasePort(run, place);
    return drop(run, 'DROP_SNAT_TABLE', service);
  }
  record.state = packet.protocol === PROTOCOL.tcp ? 'FLOW_SYN' : 'FLOW_UDP';
  record.clientNextHop = clientNextHop(run, packet.source);
  countFlow(run, service, index);
  return sendToBackend(run, packet, flow, backend);
}

/** Writes the forward half; false if the table is full. */
function remember(run: Run, packet: Packet, flow: Forward): boolean {
  const { flows, config } = run.state;
  const key = flowKey(
    packet.source,
    packet.destination,
    packet.sourcePort,
    packet.destinationPort,
    packet.protocol,
  );
  const most = packet.family === 4 ? config.maxFlows : config.maxFlows6;
  const used = [...flows.values()].filter(({ snatAddress }) => isV6(snatAddress) === (packet.family === 6));
  if (!flows.has(key) && used.length >= most) return false;
  flows.set(key, flow);
  return true;
}
