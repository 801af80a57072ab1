/** tc on a real device: the kernel keeps the outer tag beside the frame, where only real frames have one. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BpfLink } from '../../src/kernel/kernel.ts';
import { TCP } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';
import { processPacket } from '../model/process-packet.ts';
import { type Bed, openBed } from './bed.ts';
import { DEVICE, enterNetwork } from './network.ts';
import { Pair } from './pair.ts';
import { segment, webAndDns } from './scene.ts';
import { HASH_SEED, testConfig } from './situation.ts';
import { Wire } from './wire.ts';

const ON_LAN = '10.2.0.1';
const BEHIND_TAG = '10.2.2.1';

const TAGS = [
  [],
  [{ tci: 0x2005 }],
  [{ ethertype: 0x88a8, tci: 0x2005 }],
  [{ ethertype: 0x88a8, tci: 0x3064 }],
  [{ ethertype: 0x88a8, tci: 7 }, { tci: 0x6005 }],
];

let bed: Bed;
let link: BpfLink | undefined;
let wire: Wire;
let pair: Pair;

beforeAll(async () => {
  enterNetwork();
  bed = openBed({ config: testConfig({}), hashSeed: HASH_SEED, hook: 'tc' });
  link = bed.attach(DEVICE.lan);
  pair = new Pair(bed);
  const [peer] = JSON.parse(
    execFileSync('ip', ['-j', 'link', 'show', 'lan-peer'], { encoding: 'utf8' }),
  ) as Array<{ ifindex: number }>;
  wire = await Wire.open('lan-peer', peer?.ifindex ?? 0, 'ether proto 0x0800 or vlan or ether proto 0x88a8');
});
afterAll(async () => {
  await wire?.close();
  if (link !== undefined) bed.kernel.closeFd(link.fd);
  bed?.close();
});

async function begin(backend: string): Promise<void> {
  pair.reset();
  await pair.apply(webAndDns([backend]));
}

/** What came back over the wire; it must be the model's frame, tags and all. */
async function overTheWire(frame: Uint8Array): Promise<Buffer> {
  wire.send(frame);
  const came = await wire.receive();
  const arrival = { now: pair.now, cpu: pair.cpu, ingressIfindex: DEVICE.lan };
  const result = processPacket(pair.model, frame, arrival);
  if (result.verdict === 'drop') expect.fail(`the model drops: ${result.reason}`);
  expect(came.toString('hex')).toBe(Buffer.from(result.frame).toString('hex'));
  return came;
}

describe.each(TAGS.map((tags) => [tags.map(({ tci }) => tci & 0xfff), tags] as const))(
  'tags %j',
  (vlans, tags) => {
    it('are taken off towards a backend on the link', async () => {
      await begin(ON_LAN);
      for (const flags of [TCP.SYN, TCP.ACK]) {
        expect(parseFrame(await overTheWire(segment(flags, {}, { tags }))).vlans).toEqual([]);
      }
    });

    it('become the one of the VLAN device that the backend is behind', async () => {
      await begin(BEHIND_TAG);
      for (const flags of [TCP.SYN, TCP.ACK]) {
        expect(parseFrame(await overTheWire(segment(flags, {}, { tags }))).vlans).toEqual([100]);
      }
    });

    it('stay on what is refused', async () => {
      await begin(ON_LAN);
      const refused = await overTheWire(segment(TCP.SYN, { destinationPort: 81 }, { tags }));
      expect(parseFrame(refused).vlans).toEqual(vlans);
    });
  },
);
