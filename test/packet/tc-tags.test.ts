/** tc on a real device: the kernel keeps the outer tag beside the frame, where only real frames have one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TCP } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';
import { enterNetwork } from './network.ts';
import { segment, webAndDns } from './scene.ts';
import { TcWire } from './tc-wire.ts';

const ON_LAN = '10.2.0.1';
const BEHIND_TAG = '10.2.2.1';

const TAGS = [
  [],
  [{ tci: 0x2005 }],
  [{ ethertype: 0x88a8, tci: 0x2005 }],
  [{ ethertype: 0x88a8, tci: 0x3064 }],
  [{ ethertype: 0x88a8, tci: 7 }, { tci: 0x6005 }],
];

let wire: TcWire;
beforeAll(async () => {
  enterNetwork();
  wire = await TcWire.open();
});
afterAll(() => wire?.close());

async function begin(backend: string): Promise<void> {
  wire.pair.reset();
  await wire.pair.apply(webAndDns([backend]));
}

describe.each(TAGS.map((tags) => [tags.map(({ tci }) => tci & 0xfff), tags] as const))(
  'tags %j',
  (vlans, tags) => {
    it('are taken off towards a backend on the link', async () => {
      await begin(ON_LAN);
      for (const flags of [TCP.SYN, TCP.ACK]) {
        expect(parseFrame(await wire.exchange(segment(flags, {}, { tags }))).vlans).toEqual([]);
      }
    });

    it('become the one of the VLAN device that the backend is behind', async () => {
      await begin(BEHIND_TAG);
      for (const flags of [TCP.SYN, TCP.ACK]) {
        expect(parseFrame(await wire.exchange(segment(flags, {}, { tags }))).vlans).toEqual([100]);
      }
    });

    it('stay on what is refused', async () => {
      await begin(ON_LAN);
      const refused = await wire.exchange(segment(TCP.SYN, { destinationPort: 81 }, { tags }));
      expect(parseFrame(refused).vlans).toEqual(vlans);
    });
  },
);
