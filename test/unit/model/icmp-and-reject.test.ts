import { describe, expect, it } from 'vitest';
import { ip, read16 } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { parseFrame } from '../../model/parse.ts';
import { processPacket } from '../../model/process-packet.ts';
import { CONFIG, HTTP, INGRESS, smallWorld, VIP } from '../../model/world.ts';

const CLIENT = ip('198.51.100.7');
const arrival = { now: 1_000_000, cpu: 0, ingressIfindex: INGRESS };

describe('echo', () => {
  it('has right checksums for every id', { timeout: 60_000 }, () => {
    const state = smallWorld();
    for (let id = 0; id <= 0xffff; id += 1) {
      const frame = buildFrame({
        ip: { source: CLIENT, destination: VIP, id },
        l4: { kind: 'icmp', type: 8, code: 0, rest: id * 65536 + 1 },
      });
      const result = processPacket(state, frame, arrival);
      const reply = parseFrame(result.verdict === 'tx' ? result.frame : expect.fail('not answered'));
      if (!reply.ipChecksumRight || !reply.l4ChecksumRight) expect.fail(`id ${id}`);
    }
  });
});

describe('reject', () => {
  const refused = (flags: number, ack = 0, payload = new Uint8Array(5)) =>
    buildFrame({
      ip: { source: CLIENT, destination: VIP },
      l4: { kind: 'tcp', sourcePort: 1000, destinationPort: 82, flags, seq: 0xfffffffe, ack, payload },
    });

  it('resets as RFC 9293 says', () => {
    const state = smallWorld();
    const reset = (frame: Buffer) => {
      const result = processPacket(state, frame, arrival);
      return parseFrame(result.verdict === 'tx' ? result.frame : expect.fail('no RST'));
    };
    const withoutAck = reset(refused(TCP.SYN));
    expect(withoutAck).toMatchObject({ tcpFlags: TCP.RST | TCP.ACK, seq: 0, ack: 4, ttl: 64 });
    expect(withoutAck).toMatchObject({ source: VIP, sourcePort: 82, destination: CLIENT });
    expect(withoutAck.ipChecksumRight && withoutAck.l4ChecksumRight).toBe(true);
    expect(reset(refused(TCP.ACK, 77))).toMatchObject({ tcpFlags: TCP.RST, seq: 77, ack: 0 });
    expect(processPacket(state, refused(TCP.RST), arrival).verdict).toBe('drop');
  });

  it('answers UDP with a quote of the header and 8 bytes', () => {
    const frame = buildFrame({
      ip: { source: CLIENT, destination: VIP, options: Uint8Array.of(1, 1, 1, 0) },
      l4: { kind: 'udp', sourcePort: 1000, destinationPort: 82, payload: new Uint8Array(100) },
    });
    const result = processPacket(smallWorld(), frame, arrival);
    const reply = parseFrame(result.verdict === 'tx' ? result.frame : expect.fail('no answer'));
    expect(read16(reply.l4, 0)).toBe(0x0303);
    expect(Buffer.from(reply.l4.subarray(8))).toEqual(frame.subarray(14, 14 + 24 + 8));
    expect(reply.ipChecksumRight && reply.l4ChecksumRight).toBe(true);
  });

  it('stops at the budget', () => {
    const state = smallWorld();
    for (let i = 0; i < CONFIG.rejectPerSecond; i += 1) {
      expect(processPacket(state, refused(TCP.SYN), arrival).verdict).toBe('tx');
    }
    expect(processPacket(state, refused(TCP.SYN), arrival)).toMatchObject({ reason: 'DROP_REJECT_LIMITED' });
    const later = { ...arrival, now: arrival.now + CONFIG.hz / CONFIG.rejectPerSecond };
    expect(processPacket(state, refused(TCP.SYN), later).verdict).toBe('tx');
  });

  it('is silent where it is not configured', () => {
    const state = smallWorld();
    const frame = buildFrame({
      ip: { source: CLIENT, destination: VIP },
      l4: { kind: 'tcp', sourcePort: 1000, destinationPort: HTTP, flags: TCP.ACK },
    });
    expect(processPacket(state, frame, arrival)).toMatchObject({ verdict: 'drop', reason: 'DROP_NO_FLOW' });
  });
});
