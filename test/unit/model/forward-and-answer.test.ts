import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip, read16 } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { processPacket, type Result } from '../../model/process-packet.ts';
import { type ModelState, recordAt } from '../../model/state.ts';
import {
  BACKENDS,
  CONFIG,
  DNS,
  HTTP,
  HZ,
  INGRESS,
  SNAT,
  smallWorld,
  VIP,
  withTable,
} from '../../model/world.ts';

const CLIENT = ip('198.51.100.7');
const at = (now: number) => ({ now, cpu: 0, ingressIfindex: INGRESS });
const START = 1_000_000;

function fromClient(flags: number, sourcePort = 40000, payload = new Uint8Array(3)): Buffer {
  return buildFrame({
    ip: { source: CLIENT, destination: VIP },
    l4: { kind: 'tcp', sourcePort, destinationPort: HTTP, flags, payload },
  });
}

/** The backend's answer to a forwarded frame. */
function answerTo(forwarded: Uint8Array, flags: number): Buffer {
  const { source, destination, sourcePort, destinationPort, protocol } = parseFrame(forwarded);
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
  return buildFrame({
    ip: { source: destination, destination: source },
    l4: protocol === 6 ? { kind: 'tcp', ...ports, flags } : { kind: 'udp', ...ports },
  });
}

function frameOf(result: Result): Uint8Array {
  if (result.verdict === 'drop') throw new Error(`dropped: ${result.reason}`);
  return result.frame;
}

function onlyRecord(state: ModelState) {
  const used = [...state.records.values()].filter(({ state: s }) => s !== 'FLOW_FREE');
  expect(used).toHaveLength(1);
  return used[0] as (typeof used)[number];
}

describe('a TCP flow', () => {
  it('goes to a backend from the SNAT address, and its answers come back from the VIP', () => {
    const state = smallWorld();
    const out = frameOf(processPacket(state, fromClient(TCP.SYN), at(START)));
    const forward = parseFrame(out);
    expect(forward).toMatchObject({ source: SNAT, destinationPort: 8080, ttl: 63, vlans: [] });
    expect(BACKENDS).toContain(forward.destination);
    expect(forward.ipChecksumRight && forward.l4ChecksumRight).toBe(true);

    const back = parseFrame(frameOf(processPacket(state, answerTo(out, TCP.SYN | TCP.ACK), at(START + 1))));
    expect(back).toMatchObject({
      source: VIP,
      sourcePort: HTTP,
      destination: CLIENT,
      destinationPort: 40000,
    });
    expect(back.ipChecksumRight && back.l4ChecksumRight).toBe(true);
  });

  it('is established by the first packet after the SYN, and closed by both FINs', () => {
    const state = smallWorld();
    const out = frameOf(processPacket(state, fromClient(TCP.SYN), at(START)));
    expect(onlyRecord(state).state).toBe('FLOW_SYN');
    processPacket(state, fromClient(TCP.ACK), at(START + 1));
    expect(onlyRecord(state).state).toBe('FLOW_ESTABLISHED');
    processPacket(state, fromClient(TCP.FIN | TCP.ACK), at(START + 2));
    expect(onlyRecord(state).state).toBe('FLOW_FIN_CLIENT');
    processPacket(state, answerTo(out, TCP.FIN | TCP.ACK), at(START + 3));
    expect(onlyRecord(state)).toMatchObject({ state: 'FLOW_CLOSED', seen: START + 3 });
  });

  it('keeps its port for a retransmitted SYN, and gets a new one after a close', () => {
    const state = smallWorld();
    const first = parseFrame(frameOf(processPacket(state, fromClient(TCP.SYN), at(START))));
    const again = parseFrame(frameOf(processPacket(state, fromClient(TCP.SYN), at(START + 1))));
    expect(again.sourcePort).toBe(first.sourcePort);
    processPacket(state, fromClient(TCP.RST), at(START + 2));
    const anew = parseFrame(frameOf(processPacket(state, fromClient(TCP.SYN), at(START + 3))));
    expect(anew.sourcePort).not.toBe(first.sourcePort);
    expect(recordAt(state, first.sourcePort)).toMatchObject({ state: 'FLOW_CLOSED', detached: true });
  });

  it('is dropped when its backend is gone', () => {
    const state = smallWorld();
    processPacket(state, fromClient(TCP.SYN), at(START));
    for (const backend of state.backends.values()) backend.generation += 1;
    expect(processPacket(state, fromClient(TCP.ACK), at(START + 1))).toMatchObject({
      verdict: 'drop',
      reason: 'DROP_BACKEND_GONE',
    });
  });

  it('stays with its backend when the table changes, until a new connection begins', () => {
    const state = smallWorld();
    const first = parseFrame(frameOf(processPacket(state, fromClient(TCP.SYN), at(START))));
    processPacket(state, fromClient(TCP.ACK), at(START + 1));
    const other = BACKENDS.findIndex((address) => address !== first.destination);
    const slots = new Uint16Array(251).fill(other);
    state.services.set(1, withTable({ slots, block: 8 }));
    const later = parseFrame(frameOf(processPacket(state, fromClient(TCP.ACK), at(START + 2 * HZ))));
    expect(later.destination).toBe(first.destination);
    const anew = parseFrame(frameOf(processPacket(state, fromClient(TCP.SYN), at(START + 3 * HZ))));
    expect(anew.destination).toBe(BACKENDS[other]);
  });
});

describe('UDP', () => {
  const datagram = (checksum?: number): Buffer =>
    buildFrame({
      ip: { source: CLIENT, destination: VIP },
      l4: {
        kind: 'udp',
        sourcePort: 5000,
        destinationPort: DNS,
        payload: Buffer.from('query'),
        ...(checksum === undefined ? {} : { checksum }),
      },
    });

  it('keeps a checksum of 0', () => {
    const out = frameOf(processPacket(smallWorld(), datagram(0), at(START)));
    expect(read16(parseFrame(out).l4, 6)).toBe(0);
  });

  it('chooses anew after a long silence', () => {
    const state = smallWorld();
    const first = parseFrame(frameOf(processPacket(state, datagram(), at(START))));
    const later = START + CONFIG.timeout.FLOW_UDP;
    const same = parseFrame(frameOf(processPacket(state, datagram(), at(later))));
    expect(same.sourcePort).toBe(first.sourcePort);
    const anew = parseFrame(
      frameOf(processPacket(state, datagram(), at(later + CONFIG.timeout.FLOW_UDP + 1))),
    );
    expect(anew.sourcePort).not.toBe(first.sourcePort);
  });
});

describe('checksums', () => {
  it('are right after rewriting, whatever the packet', () => {
    const address = fc.integer({ min: 0x01000000, max: 0xdfffffff });
    const port = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(
        address,
        port,
        fc.uint8Array({ maxLength: 40 }),
        fc.boolean(),
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 2, max: 255 }),
        (source, sourcePort, payload, isTcp, options, ttl) => {
          const state = smallWorld();
          const frame = buildFrame({
            ip: { source, destination: VIP, options, ttl },
            l4: isTcp
              ? { kind: 'tcp', sourcePort, destinationPort: HTTP, flags: TCP.SYN, payload }
              : { kind: 'udp', sourcePort, destinationPort: DNS, payload },
          });
          const out = frameOf(processPacket(state, frame, at(START)));
          const forward = parseFrame(out);
          expect(forward.ipChecksumRight && forward.l4ChecksumRight).toBe(true);
          const back = parseFrame(frameOf(processPacket(state, answerTo(out, TCP.ACK), at(START))));
          expect(back).toMatchObject({ destination: source, destinationPort: sourcePort, source: VIP });
          expect(back.ipChecksumRight && back.l4ChecksumRight).toBe(true);
        },
      ),
    );
  });
});
