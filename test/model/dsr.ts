/** docs/packet-path.md, section 5a: a packet of a service in a DSR mode, to its backend. */

import { read32 } from './bytes.ts';
import { hashOf } from './choose-backend.ts';
import { takeToken } from './own-answer.ts';
import { PROTOCOL } from './packet.ts';
import { refuse } from './reject.ts';
import { countEvent, drop, type Run, type Verdict } from './run.ts';
import { sendDsr } from './send-dsr.ts';
import { clientKey, flowKey, type Service } from './state.ts';
import { type Choice, chooseTracked, type FlowPacket, type TrackedWorld } from './tracked.ts';
import { isClient, isSyn, type Packet } from './well-formed.ts';

export const isDsr = (service: Service | undefined): service is Service =>
  service !== undefined && service.mode !== 'snat';

/** `index` is that of a service for which {@link isDsr} holds. */
export function forwardDsr(run: Run, packet: Packet, index: number): Verdict {
  const { config, services, backends } = run.state;
  const service = services.get(index) as Service;
  if (!isClient(service, packet)) return drop(run, 'DROP_SOURCE_RANGE', index);
  const hash = hashOf(config.hashSeed, packet, service);
  const choice = choose(run, packet, index, hash);
  run.rules.push(`rule: ${choice.rule}`);
  if (choice.backend === undefined) {
    return refuse(run, packet, 'DROP_NO_BACKEND', config.rejectNoBackend, index);
  }
  const backend = backends.get(choice.backend);
  if (backend === undefined || backend.state === 'BACKEND_FREE') return drop(run, 'DROP_INTERNAL', index);
  return sendDsr(run, packet, { service: index, backend: choice.backend, hash });
}

/** The rule of tracked slots on what the maps hold; counts what it remembers. */
function choose(run: Run, packet: Packet, index: number, hash: number): Choice {
  const service = run.state.services.get(index) as Service;
  const isTcp = packet.protocol === PROTOCOL.tcp;
  const { table, oldest, windowStart, windowTcp, windowUdp } = service;
  const choice = chooseTracked(
    worldOf(run, packet, index),
    {
      hasAffinity: service.hashed?.affinity === true,
      table,
      oldest,
      windowStart,
      window: isTcp ? windowTcp : windowUdp,
    },
    asFlowPacket(packet, hash),
  );
  if (choice.event !== undefined) countEvent(run, choice.event);
  return choice;
}

function asFlowPacket(packet: Packet, hash: number): FlowPacket {
  const { source, destination, sourcePort, destinationPort, protocol, tcp, frame, l4 } = packet;
  const isTcp = protocol === PROTOCOL.tcp;
  return {
    hash,
    flow: flowKey(source, destination, sourcePort, destinationPort, protocol),
    client: clientKey(source, destination, destinationPort, protocol),
    protocol: isTcp ? 'TCP' : 'UDP',
    syn: isSyn(packet),
    fin: tcp.fin,
    rst: tcp.rst,
    sequence: isTcp && packet.fragment !== 'later' ? read32(frame, l4 + 4) : 0,
  };
}

export function worldOf(run: Run, { family }: Pick<Packet, 'family'>, service: number): TrackedWorld {
  const { config, remembered, backends, rememberBudgets } = run.state;
  return {
    now: run.now,
    hz: config.hz,
    timeout: config.timeout,
    remembered: remembered[family],
    capacity: config.maxRemembered,
    backend: (index) => {
      const backend = backends.get(index);
      return backend?.service === service ? backend : undefined;
    },
    takeToken: () => takeToken(run, rememberBudgets, service, config.rememberPerSecond),
  };
}
