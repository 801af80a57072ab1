/** SNAT ports: held, shared, reused early, exhausted. */
import { expect } from 'vitest';
import { backend as backendLayout, backendState } from '../../../src/layout/generated.ts';
import { type Address, ip } from '../../model/bytes.ts';
import { TCP } from '../../model/packet.ts';
import { answerTo, datagram, type Scene, segment, webAndDns } from '../scene.ts';
import { at, service, VIP } from '../situation.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const B = '10.2.0.2';

const syn = (sourcePort: number) => segment(TCP.SYN, { sourcePort });

/** TCP 80 to A only, 81 to B only, 82 to A again. */
async function twoServices(scene: Scene): Promise<void> {
  scene.pair.reset();
  await scene.apply([
    service(VIP, 80, 'TCP', [at(A, 8080)]),
    service(VIP, 81, 'TCP', [at(B, 8080)]),
    service(VIP, 82, 'TCP', [at(A, 8080)]),
  ]);
}

export const PORT_CASES: readonly Case[] = [
  {
    name: 'a closed port rests for the hold time',
    setup: 'tight',
    async run(scene) {
      await scene.begin(A);
      for (const port of [1, 2, 3]) {
        scene.out(syn(port));
        scene.out(segment(TCP.RST, { sourcePort: port }));
      }
      scene.passSeconds(61);
      expect(scene.send(syn(4)).events).toEqual([]);
    },
  },
  {
    name: 'when it must be, the port closed the longest is reused before its time',
    setup: 'tight',
    async run(scene) {
      await scene.begin(A);
      const ports: Address[] = [];
      for (const port of [1, 2, 3]) {
        ports.push(scene.out(syn(port)).source);
        scene.out(segment(TCP.RST, { sourcePort: port }));
        scene.passSeconds(1);
      }
      const reused = scene.send(syn(4));
      expect(reused.events).toEqual(['EVENT_SNAT_REUSED_EARLY']);
      // Its former owner's forward half went with it.
      expect(scene.pair.model.flows.size).toBe(3);
      expect(scene.send(segment(TCP.ACK, { sourcePort: 1 }))).toMatchObject({ reason: 'DROP_NO_FLOW' });
    },
  },
  {
    name: 'with all ports in use new flows are dropped, and no port is looked for until the clock ticks',
    setup: 'tight',
    async run(scene) {
      await scene.begin(A);
      for (const port of [1, 2, 3]) scene.out(syn(port));
      scene.expectDrop(syn(4), 'DROP_SNAT_EXHAUSTED');
      scene.expectDrop(syn(5), 'DROP_SNAT_EXHAUSTED');
      await scene.pair.tick();
      scene.passSeconds(11);
      expect(scene.send(syn(4)).verdict).toBe('tx');
    },
  },
  {
    name: 'flows to two backends share a port, and each gets its own answers',
    setup: 'tight',
    async run(scene) {
      await twoServices(scene);
      const owners = [1, 2, 3].map((port) => scene.out(syn(port)));
      const shared = scene.send(segment(TCP.SYN, { sourcePort: 9, destinationPort: 81 }));
      expect(shared.events).toEqual(['EVENT_SNAT_SHARED']);
      const second = scene.out(segment(TCP.ACK, { sourcePort: 9, destinationPort: 81 }));
      const first = owners.find(({ source }) => source === second.source);
      if (first === undefined) expect.fail('the port is nobody else’s');
      expect(second.sourcePort).toBe(first.sourcePort);
      expect(scene.out(answerTo(second)).destinationPort).toBe(9);
      expect(scene.out(answerTo(first)).destinationPort).toBeLessThan(4);
      scene.expectDrop(answerTo({ ...second, destination: ip('10.2.0.3') }), 'DROP_SNAT_NO_FLOW');
    },
  },
  {
    name: 'a backend of two services never has two flows on one port',
    setup: 'tight',
    async run(scene) {
      await twoServices(scene);
      for (const port of [1, 2, 3]) scene.out(syn(port));
      const same = segment(TCP.SYN, { sourcePort: 9, destinationPort: 82 });
      scene.expectDrop(same, 'DROP_SNAT_EXHAUSTED');
    },
  },
  {
    name: 'TCP and UDP share a port of one backend',
    setup: 'tight',
    async run(scene) {
      await scene.begin(A);
      for (const port of [1, 2, 3]) scene.out(syn(port));
      const udp = scene.send(datagram());
      expect(udp.events).toEqual(['EVENT_SNAT_SHARED']);
      expect(scene.out(answerTo(scene.out(datagram()))).sourcePort).toBe(53);
    },
  },
  {
    name: 'without a record to share no port is shared',
    setup: 'tight',
    async run(scene) {
      await twoServices(scene);
      for (const port of [1, 2, 3]) scene.out(syn(port));
      const other = (port: number) => segment(TCP.SYN, { sourcePort: port, destinationPort: 81 });
      for (const port of [11, 12]) expect(scene.send(other(port)).events).toEqual(['EVENT_SNAT_SHARED']);
      scene.expectDrop(other(13), 'DROP_SNAT_EXHAUSTED');
    },
  },
  {
    name: 'a shared record that expired is taken, and its key goes',
    setup: 'tight',
    async run(scene) {
      await twoServices(scene);
      const other = (port: number) => segment(TCP.SYN, { sourcePort: port, destinationPort: 81 });
      for (const port of [1, 2, 3]) {
        scene.out(syn(port));
        scene.out(segment(TCP.ACK, { sourcePort: port }));
      }
      for (const port of [11, 12]) scene.send(other(port));
      scene.passSeconds(11);
      expect(scene.send(other(13)).events).toEqual(['EVENT_SNAT_SHARED']);
      expect(scene.pair.model.shared.size).toBe(2);
    },
  },
  {
    name: 'a full forward table takes no new flow, and the port is free again',
    setup: 'full',
    async run(scene) {
      await twoServices(scene);
      for (const port of [1, 2, 3]) scene.out(syn(port));
      const other = (port: number) => segment(TCP.SYN, { sourcePort: port, destinationPort: 81 });
      scene.send(other(11));
      scene.expectDrop(other(12), 'DROP_SNAT_TABLE');
      expect(scene.pair.model.shared.size).toBe(1);
      scene.send(segment(TCP.RST, { sourcePort: 1 }));
      expect(scene.send(segment(TCP.ACK, { sourcePort: 2 })).verdict).toBe('tx');
    },
  },
  {
    name: 'a slot that names a free backend is an inner fault',
    async run(scene) {
      await scene.begin(A);
      const { memory, stride } = scene.pair.bed.maps.arrays.backends;
      for (const [index, { state }] of scene.pair.model.backends) {
        if (state !== 'BACKEND_FREE') {
          memory.writeUInt8(backendState.BACKEND_FREE, index * stride + backendLayout.offsets.state);
        }
      }
      scene.pair.reread();
      scene.expectDrop(syn(1), 'DROP_INTERNAL');
    },
  },
  {
    name: 'a service without backends drops, and one that gets them back forwards',
    setup: 'silent',
    async run(scene) {
      await scene.begin();
      scene.expectDrop(syn(1), 'DROP_NO_BACKEND');
      scene.expectDrop(datagram(), 'DROP_NO_BACKEND');
      await scene.apply(webAndDns([A]));
      expect(scene.send(syn(1)).verdict).toBe('tx');
    },
  },
];
