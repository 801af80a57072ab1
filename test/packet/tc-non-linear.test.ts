/**
 * tc on packets whose headers lie behind what is readable, as of cards that split them early: they are read
 * as any other, however deep the header is that says what to do.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ip6 } from '../model/bytes.ts';
import { buildFrame, EXTENSION, type FrameFields, type IpFields, TCP } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';
import { enterNetwork, mirror, mirrorText } from './network.ts';
import { answerTo, CLIENT, CLIENT_PORT, segment, webAndDns } from './scene.ts';
import { at, service, VIP } from './situation.ts';
import { TcWire } from './tc-wire.ts';

const BACKEND = '10.2.0.1';
/** With it a frame is longer than a page. */
const LONG = Buffer.alloc(4200, 'l4lb');
/** As long as headers between IPv6 and L4 may be: 256 bytes. */
const DEEP = Array.from({ length: 4 }, () => {
  const bytes = new Uint8Array(64);
  bytes[1] = 7;
  bytes[2] = 1;
  bytes[3] = 60;
  return { kind: EXTENSION.destination, bytes };
});

let wire: TcWire;
beforeAll(async () => {
  enterNetwork();
  wire = await TcWire.open();
});
afterAll(() => wire?.close());

async function begin(): Promise<void> {
  wire.pair.reset();
  await wire.pair.apply([
    ...webAndDns([BACKEND]),
    service(mirror(VIP), 80, 'TCP', [at(mirrorText(BACKEND), 8080)]),
  ]);
}

function segment6(flags: number, ip: Partial<IpFields> = {}): Buffer {
  return buildFrame({
    ip: { source: mirror(CLIENT), destination: mirror(VIP), ...ip },
    l4: { kind: 'tcp', sourcePort: CLIENT_PORT, destinationPort: 80, flags, payload: LONG },
  });
}

/** An error about a forwarded packet, to whom that came from. The quote is most of the packet. */
function errorAbout(forwarded: Uint8Array, ip: Partial<IpFields>, icmp: { type: number; code: number }) {
  const l4: FrameFields['l4'] = { kind: 'icmp', ...icmp, rest: 1400, payload: forwarded.subarray(14) };
  const { source } = parseFrame(forwarded);
  return buildFrame({ ip: { source, destination: source, ...ip }, l4 });
}

it('segments of both families', async () => {
  await begin();
  for (const flags of [TCP.SYN, TCP.ACK]) {
    const out = parseFrame(await wire.exchange(segment(flags, { payload: LONG })));
    expect(out).toMatchObject({ destinationPort: 8080, l4ChecksumRight: true });
    parseFrame(await wire.exchange(segment6(flags)));
  }
  expect(
    parseFrame(await wire.exchange(answerTo(parseFrame(await wire.exchange(segment(TCP.ACK)))))),
  ).toMatchObject({
    sourcePort: 80,
    l4ChecksumRight: true,
  });
});

it('segments behind 256 bytes of extension headers', async () => {
  await begin();
  for (const flags of [TCP.SYN, TCP.ACK]) {
    const out = parseFrame(await wire.exchange(segment6(flags, { extensions: DEEP })));
    expect(out).toMatchObject({ destinationPort: 8080, l4ChecksumRight: true });
  }
});

it('ICMP errors, whose quotes say whose they are', async () => {
  await begin();
  const forwarded = await wire.exchange(
    segment(TCP.SYN, { payload: LONG, ip: { options: Buffer.alloc(40, 1) } }),
  );
  const error = errorAbout(forwarded, { source: parseFrame(forwarded).destination }, { type: 3, code: 4 });
  expect(parseFrame(await wire.exchange(error))).toMatchObject({
    destination: CLIENT,
    l4ChecksumRight: true,
  });

  const forwarded6 = await wire.exchange(segment6(TCP.SYN));
  const from = { source: ip6('fd00:ff::9'), extensions: DEEP };
  const error6 = errorAbout(forwarded6, from, { type: 2, code: 0 });
  expect(parseFrame(await wire.exchange(error6))).toMatchObject({ destination: mirror(CLIENT) });
});
