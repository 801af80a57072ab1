/** The life of a flow: SYN again, FIN, RST, silence, and backends that come and go. */
import { expect } from 'vitest';
import { flowRecord, flowState } from '../../../src/layout/generated.ts';
import { ip } from '../../model/bytes.ts';
import { TCP } from '../../model/packet.ts';
import { answerTo, datagram, type Scene, segment, webAndDns } from '../scene.ts';
import type { Case } from './case.ts';

const A = '10.2.0.1';
const B = '10.2.0.2';

/** An established flow to backend A; its first frame. */
async function establish(scene: Scene) {
  await scene.begin(A);
  const first = scene.out(segment(TCP.SYN));
  scene.out(answerTo(first, TCP.SYN | TCP.ACK));
  scene.out(segment(TCP.ACK));
  expect(scene.record.state).toBe('FLOW_ESTABLISHED');
  return first;
}

export const FLOW_CASES: readonly Case[] = [
  {
    name: 'a SYN sent again keeps its port, even when the table changed meanwhile',
    async run(scene) {
      await scene.begin(A);
      const first = scene.out(segment(TCP.SYN));
      expect(scene.out(segment(TCP.SYN)).sourcePort).toBe(first.sourcePort);
      await scene.apply(webAndDns([A, B]).map((s) => ({ ...s, backends: s.backends.map(drainingIf(A)) })));
      expect(scene.out(segment(TCP.SYN))).toMatchObject({ destination: ip(A), sourcePort: first.sourcePort });
      expect(scene.record.state).toBe('FLOW_SYN');
    },
  },
  {
    name: 'a SYN on a closed flow begins a new one on another port',
    async run(scene) {
      const first = await establish(scene);
      scene.send(segment(TCP.RST));
      const anew = scene.out(segment(TCP.SYN));
      expect(anew.sourcePort).not.toBe(first.sourcePort);
      scene.expectDrop(answerTo(first), 'DROP_SNAT_NO_FLOW');
    },
  },
  {
    name: 'an established flow stays with a draining backend; a SYN goes where the table says',
    async run(scene) {
      const first = await establish(scene);
      await scene.apply(webAndDns([A, B]).map((s) => ({ ...s, backends: s.backends.map(drainingIf(A)) })));
      scene.passSeconds(5);
      expect(scene.out(segment(TCP.ACK)).destination).toBe(ip(A));
      expect(scene.out(answerTo(first)).sourcePort).toBe(80);
      expect(scene.out(segment(TCP.SYN)).destination).toBe(ip(B));
    },
  },
  {
    name: 'a SYN on an established flow whose backend the table still names keeps it',
    async run(scene) {
      const first = await establish(scene);
      expect(scene.out(segment(TCP.SYN)).sourcePort).toBe(first.sourcePort);
      expect(scene.record.state).toBe('FLOW_ESTABLISHED');
    },
  },
  {
    name: 'with its backend gone TCP is dropped, answers too; a SYN begins anew',
    async run(scene) {
      const first = await establish(scene);
      await scene.apply(webAndDns([B]));
      scene.expectDrop(segment(TCP.ACK), 'DROP_BACKEND_GONE');
      scene.expectDrop(segment(TCP.RST), 'DROP_BACKEND_GONE');
      scene.expectDrop(answerTo(first), 'DROP_SNAT_NO_FLOW');
      expect(scene.out(segment(TCP.SYN)).destination).toBe(ip(B));
    },
  },
  {
    name: 'a backend that is back is another life: the old flow stays lost',
    async run(scene) {
      const first = await establish(scene);
      await scene.apply(webAndDns([B]));
      await scene.apply(webAndDns([A]));
      scene.expectDrop(segment(TCP.ACK), 'DROP_BACKEND_GONE');
      scene.expectDrop(answerTo(first), 'DROP_SNAT_NO_FLOW');
    },
  },
  {
    name: 'with its backend gone UDP chooses anew',
    async run(scene) {
      await scene.begin(A);
      scene.out(datagram());
      await scene.apply(webAndDns([B]));
      expect(scene.out(datagram()).destination).toBe(ip(B));
    },
  },
  {
    name: 'with its service gone a SYN finds no port, and the old half is not kept',
    async run(scene) {
      await establish(scene);
      await scene.apply(webAndDns([A]).slice(1));
      scene.expectDrop(segment(TCP.ACK), 'DROP_BACKEND_GONE');
      expect(scene.send(segment(TCP.SYN))).toMatchObject({ reason: 'DROP_UNKNOWN_PORT' });
      expect(scene.pair.model.flows.size).toBe(0);
    },
  },
  {
    name: 'FIN from both sides closes, in either order',
    async run(scene) {
      let first = await establish(scene);
      scene.out(segment(TCP.FIN | TCP.ACK));
      expect(scene.record.state).toBe('FLOW_FIN_CLIENT');
      scene.out(answerTo(first, TCP.FIN | TCP.ACK));
      expect(scene.record.state).toBe('FLOW_CLOSED');
      expect(scene.out(segment(TCP.ACK)).destination).toBe(ip(A));

      first = await establish(scene);
      scene.out(answerTo(first, TCP.FIN | TCP.ACK));
      expect(scene.record.state).toBe('FLOW_FIN_BACKEND');
      scene.out(segment(TCP.ACK));
      scene.out(segment(TCP.FIN | TCP.ACK));
      expect(scene.record.state).toBe('FLOW_CLOSED');
    },
  },
  {
    name: 'a FIN sent again by the same side does not close',
    async run(scene) {
      await establish(scene);
      scene.out(segment(TCP.FIN | TCP.ACK));
      scene.out(segment(TCP.FIN | TCP.ACK));
      expect(scene.record.state).toBe('FLOW_FIN_CLIENT');
    },
  },
  {
    name: 'RST from either side closes and still goes through',
    async run(scene) {
      await establish(scene);
      expect(scene.out(segment(TCP.RST)).tcpFlags).toBe(TCP.RST);
      expect(scene.record.state).toBe('FLOW_CLOSED');
      const first = await establish(scene);
      expect(scene.out(answerTo(first, TCP.RST)).tcpFlags).toBe(TCP.RST);
      expect(scene.record.state).toBe('FLOW_CLOSED');
    },
  },
  {
    name: 'SYN with FIN, RST or ACK begins nothing',
    async run(scene) {
      await scene.begin(A);
      for (const more of [TCP.FIN, TCP.RST, TCP.ACK]) {
        expect(scene.send(segment(TCP.SYN | more))).toMatchObject({ reason: 'DROP_NO_FLOW' });
      }
    },
  },
  {
    name: 'UDP after a silence chooses anew, exactly when its time is over',
    async run(scene) {
      await scene.begin(A);
      const first = scene.out(datagram());
      scene.passSeconds(29.9);
      expect(scene.out(datagram()).sourcePort).toBe(first.sourcePort);
      scene.passSeconds(30.1);
      expect(scene.out(datagram()).sourcePort).not.toBe(first.sourcePort);
    },
  },
  {
    name: 'answers alone keep a UDP flow alive, and so do questions alone',
    async run(scene) {
      await scene.begin(A);
      const first = scene.out(datagram());
      for (let i = 0; i < 5; i += 1) {
        scene.passSeconds(25);
        scene.out(answerTo(first));
      }
      expect(scene.out(datagram()).sourcePort).toBe(first.sourcePort);
    },
  },
  {
    name: 'a forward half whose record lives anew is an orphan',
    async run(scene) {
      await establish(scene);
      const { view, stride } = scene.pair.bed.maps.arrays.flow_records;
      const [index, record] = [...scene.pair.model.records].find(([, r]) => r.state !== 'FLOW_FREE') ?? [0];
      if (record === undefined) expect.fail('no record');
      record.state = 'FLOW_FREE';
      view.setUint8(index * stride + flowRecord.offsets.state, flowState.FLOW_FREE);
      scene.out(segment(TCP.ACK));
      scene.passSeconds(2);
      const late = scene.send(segment(TCP.ACK));
      expect(late.events).toContain('EVENT_FLOW_ORPHAN');
      expect(scene.pair.model.flows.size).toBe(0);
    },
  },
];

const drainingIf =
  (address: string) =>
  <T extends { address: string }>(backend: T): T =>
    backend.address === address ? { ...backend, state: 'draining', weight: 0 } : backend;
