/**
 * tc on packets whose L4 checksum the kernel makes only when they leave, as a neighbour on the same machine sends
 * them. The device here completes it in software, so what comes back must be right to the last bit: whatever the
 * packet has become, translated, a RST, or an ICMP error that quotes it.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Address } from '../model/bytes.ts';
import { buildFrame, type FrameFields, type IpFields, TCP } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';
import { enterNetwork, mirror, mirrorText } from './network.ts';
import { CLIENT, CLIENT_PORT } from './scene.ts';
import { at, service, VIP } from './situation.ts';
import { TcWire } from './tc-wire.ts';

const BACKEND = '10.2.0.1';
const FAR_BACKEND = '10.2.1.1';
const FAR_MTU = 1340;
const CLOSED = 81;
const FAR = 443;

let wire: TcWire;
beforeAll(async () => {
  enterNetwork();
  wire = await TcWire.open();
  execFileSync('ethtool', ['-K', 'lan', 'tx', 'off'], { stdio: 'ignore' });
});
afterAll(() => wire?.close());

async function expectSame(frame: Uint8Array): Promise<Buffer> {
  const { came, expected } = await wire.exchangePartial(frame);
  expect(came.toString('hex')).toBe(Buffer.from(expected).toString('hex'));
  return came;
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  const of = (v4: number): Address => (family === 4 ? v4 : mirror(v4));
  const text = (v4: string): string => (family === 4 ? v4 : mirrorText(v4));
  const ends = { source: of(CLIENT), destination: of(VIP) };
  const packet = (l4: FrameFields['l4'], more: Partial<IpFields> = {}): Buffer =>
    buildFrame({ ip: { ...ends, ...more }, l4 });
  const tcp = (flags: number, destinationPort: number, size = 6, more: Partial<IpFields> = {}): Buffer =>
    packet(
      { kind: 'tcp', sourcePort: CLIENT_PORT, destinationPort, flags, payload: Buffer.alloc(size, 'l4lb') },
      more,
    );
  const udp = (destinationPort: number, size = 6): Buffer =>
    packet({ kind: 'udp', sourcePort: CLIENT_PORT, destinationPort, payload: Buffer.alloc(size, 'l4lb') });

  beforeAll(async () => {
    wire.pair.reset();
    await wire.pair.apply([
      service(of(VIP), 80, 'TCP', [at(text(BACKEND), 8080)]),
      service(of(VIP), 53, 'UDP', [at(text(BACKEND), 5353)]),
      service(of(VIP), FAR, 'TCP', [at(text(FAR_BACKEND), 8443)]),
      service(of(VIP), FAR, 'UDP', [at(text(FAR_BACKEND), 8443)]),
    ]);
  });

  it('what is translated, and its answers', async () => {
    for (const frame of [tcp(TCP.SYN, 80), tcp(TCP.ACK, 80, 1000), udp(53), udp(53, 999)]) {
      const { source, sourcePort, destination, destinationPort, protocol } = parseFrame(
        await expectSame(frame),
      );
      const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
      const payload = Buffer.from('answer');
      const l4: FrameFields['l4'] =
        protocol === 6
          ? { kind: 'tcp', ...ports, flags: TCP.ACK, payload }
          : { kind: 'udp', ...ports, payload };
      await expectSame(buildFrame({ ip: { source: destination, destination: source }, l4 }));
    }
  });

  it.each([
    ['a SYN to a port that nobody serves', TCP.SYN, CLOSED],
    ['data for it', TCP.ACK | TCP.PSH, CLOSED],
    ['a FIN of no flow', TCP.FIN, FAR],
  ])('a RST for %s', async (_, flags, port) => {
    for (const size of [0, 1, 999]) {
      expect(parseFrame(await expectSame(tcp(flags, port, size))).tcpFlags & TCP.RST).toBe(TCP.RST);
    }
  });

  it.each([
    ['a port that nobody serves', () => udp(CLOSED, 999), family === 4 ? [3, 3, 0] : [1, 4, 0]],
    [
      'a datagram that does not fit',
      () => udp(FAR, FAR_MTU),
      family === 4 ? [3, 4, FAR_MTU] : [2, 0, FAR_MTU],
    ],
    [
      'a segment that does not fit',
      () => tcp(TCP.SYN, FAR, FAR_MTU),
      family === 4 ? [3, 4, FAR_MTU] : [2, 0, FAR_MTU],
    ],
  ] as const)('an ICMP error about %s', async (_, make, [type, code, rest]) => {
    const frame = make();
    const { came, expected } = await wire.exchangePartial(frame);
    const [out, model] = [parseFrame(came), parseFrame(expected)];
    // Of TCP it quotes more than the model, and the checksum in the quote is the kernel's.
    expect({ ...out, l4: out.l4.subarray(0, 2) }).toMatchObject({
      ...{ source: model.source, destination: model.destination, ttl: model.ttl, protocol: model.protocol },
      ...{ ipChecksumRight: true, l4ChecksumRight: true },
    });
    expect([out.l4[0], out.l4[1], Buffer.from(out.l4).readUInt32BE(4)]).toEqual([type, code, rest]);
    const quoted = (family === 4 ? 20 : 40) + 4;
    const quote = Buffer.from(out.l4.subarray(8, 8 + quoted));
    expect(quote.toString('hex')).toBe(frame.subarray(14, 14 + quoted).toString('hex'));
  });
});
