/** ICMP errors follow the flow that they quote a packet of, translated like it. */
import { expect } from 'vitest';
import { type Address, ip } from '../../model/bytes.ts';
import { buildFrame, TCP } from '../../model/packet.ts';
import { type ParsedFrame, parseFrame } from '../../model/parse.ts';
import { answerTo, CLIENT, CLIENT_PORT, datagram, type Scene, segment } from '../scene.ts';
import { OTHER_VIP, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const ROUTER = ip('203.0.113.9');

interface ErrorOptions {
  readonly type?: number;
  readonly code?: number;
  readonly rest?: number;
  readonly source?: Address;
  readonly destination?: Address;
  readonly ttl?: number;
  /** Bytes behind the quoted IP header. */
  readonly quoted?: number;
}

/** An error about a packet, as a router on its way would send it to the packet's source. */
function errorAbout(frame: Uint8Array, options: ErrorOptions = {}): Buffer {
  const { source } = parseFrame(frame);
  const header = ((frame[14] ?? 0) & 0xf) * 4;
  const { type = 3, code = 4, rest = 1400, quoted = 8 } = options;
  return buildFrame({
    ip: {
      source: options.source ?? ROUTER,
      destination: options.destination ?? source,
      ttl: options.ttl ?? 60,
    },
    l4: { kind: 'icmp', type, code, rest, payload: frame.subarray(14, 14 + header + quoted) },
  });
}

/** The packet that an error quotes, made whole so that it can be read. */
function quoteOf({ l4 }: ParsedFrame): ParsedFrame {
  const quote = Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0]), l4.subarray(8), Buffer.alloc(2000)]);
  return parseFrame(quote);
}

async function openFlow(scene: Scene): Promise<{ forwarded: Uint8Array; answered: Uint8Array }> {
  await scene.begin(A);
  const forwarded = scene.outFrame(segment(TCP.SYN));
  const answered = scene.outFrame(answerTo(parseFrame(forwarded), TCP.SYN | TCP.ACK));
  return { forwarded, answered };
}

export const ICMP_ERROR_CASES: readonly Case[] = [
  {
    name: 'frag-needed about an answer reaches the backend, about what the backend sent',
    async run(scene) {
      const { forwarded, answered } = await openFlow(scene);
      const sent = parseFrame(forwarded);
      for (const quoted of [8, 20, 28]) {
        const out = scene.out(errorAbout(answered, { quoted }));
        expect(out).toMatchObject({
          source: ROUTER,
          destination: ip(A),
          ttl: 59,
          ipChecksumRight: true,
          l4ChecksumRight: true,
        });
        expect(quoteOf(out)).toMatchObject({
          source: ip(A),
          sourcePort: 8080,
          destination: sent.source,
          destinationPort: sent.sourcePort,
          ipChecksumRight: true,
        });
      }
    },
  },
  {
    name: 'an error about a forwarded packet reaches the client; the backend’s own comes from the VIP',
    async run(scene) {
      await scene.begin(A);
      const forwarded = scene.outFrame(datagram());
      for (const [source, seen] of [
        [ROUTER, ROUTER],
        [ip(A), VIP],
      ] as const) {
        const out = scene.out(errorAbout(forwarded, { type: 3, code: 3, rest: 0, source }));
        expect(out).toMatchObject({
          source: seen,
          destination: CLIENT,
          ipChecksumRight: true,
          l4ChecksumRight: true,
        });
        expect(quoteOf(out)).toMatchObject({
          source: CLIENT,
          sourcePort: CLIENT_PORT,
          destination: VIP,
          destinationPort: 53,
          ipChecksumRight: true,
        });
      }
    },
  },
  {
    name: 'errors that quote no flow, or come to the wrong address, are dropped',
    async run(scene) {
      const { answered } = await openFlow(scene);
      scene.expectDrop(errorAbout(answered, { destination: OTHER_VIP }), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(errorAbout(answered, { quoted: 7 }), 'DROP_ICMP_NO_FLOW');
      const other = buildFrame({
        ip: { source: VIP, destination: CLIENT },
        l4: { kind: 'tcp', sourcePort: 80, destinationPort: CLIENT_PORT + 1, flags: TCP.ACK },
      });
      scene.expectDrop(errorAbout(other), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(errorAbout(answered, { ttl: 1 }), 'DROP_TTL');
      await scene.apply([]);
      scene.expectDrop(errorAbout(answered), 'DROP_ICMP_NO_FLOW');
    },
  },
  {
    name: 'an MTU that no path has is not believed',
    async run(scene) {
      const { answered } = await openFlow(scene);
      scene.expectDrop(errorAbout(answered, { rest: 575 }), 'DROP_ICMP');
      for (const rest of [0, 576]) scene.outFrame(errorAbout(answered, { rest }));
      scene.outFrame(errorAbout(answered, { type: 11, code: 0, rest: 0 }));
      scene.outFrame(errorAbout(answered, { type: 12, code: 0, rest: 0 }));
    },
  },
];
