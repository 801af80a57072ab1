/** What is remembered, for how long, and what happens when there is no room. */
import { expect } from 'vitest';
import { flowState } from '../../../src/layout/generated.ts';
import { parseAddress, wordsOf } from '../../../src/net/address.ts';
import type { NodeCase } from './cases.ts';
import { FLAGS, frame } from './frames.ts';
import { type End, type NodeScene, PLACES } from './scene.ts';

const request = (scene: NodeScene, flags: number, from: End = scene.client, to: End = scene.web) =>
  scene.bed.arrive(scene.tunnelled(scene.tcp(from, to, flags)));
const answer = (scene: NodeScene, flags: number) =>
  scene.bed.leave(frame(scene.tcp(scene.webPod, scene.client, flags)));
const clientAt = (scene: NodeScene, port: number): End => ({ ...scene.client, port });
const otherWeb = (scene: NodeScene): End => ({ address: scene.at.otherVip, port: 80 });

function flowThrough(scene: NodeScene, vip: string): ReturnType<NodeScene['bed']['flows']>[number] {
  const words = wordsOf(parseAddress(vip) ?? 0);
  const flow = scene.bed.flows().find(({ flow }) => flow.vip.join() === words.join());
  return flow ?? expect.fail(`no flow through ${vip}`);
}

/** Sends a packet of the client's usual port through the other VIP: what its pod knows the port as. */
function portOfOther(scene: NodeScene, flags: number): number {
  expect(request(scene, flags, scene.client, otherWeb(scene)).verdict).toBe('pass');
  return flowThrough(scene, scene.at.otherVip).place.key.clientPort;
}

function fill(scene: NodeScene, flags: number, free = PLACES): void {
  for (let i = 0; i < free; i++) {
    expect(request(scene, flags, clientAt(scene, 1000 + i)).verdict, `flow ${i}`).toBe('pass');
  }
  expect(scene.bed.flows()).toHaveLength(PLACES);
}

export const FLOW_CASES: readonly NodeCase[] = [
  {
    name: 'a packet in the middle of a connection makes the memory it needs',
    run: (scene) => {
      request(scene, FLAGS.ack | FLAGS.psh);
      expect(scene.state).toBe(flowState.FLOW_ESTABLISHED);
      scene.expectLeaving(scene.tcp(scene.webPod, scene.client), scene.tcp(scene.web, scene.client));
    },
  },
  {
    name: 'a connection opens and closes by both ends',
    run: (scene) => {
      const states: number[] = [];
      const look = () => states.push(scene.state);
      request(scene, FLAGS.syn);
      look();
      answer(scene, FLAGS.syn | FLAGS.ack);
      look();
      request(scene, FLAGS.ack);
      look();
      answer(scene, FLAGS.fin | FLAGS.ack);
      look();
      request(scene, FLAGS.fin | FLAGS.ack);
      look();
      const { FLOW_SYN, FLOW_ESTABLISHED, FLOW_FIN_BACKEND, FLOW_CLOSED } = flowState;
      expect(states).toEqual([FLOW_SYN, FLOW_SYN, FLOW_ESTABLISHED, FLOW_FIN_BACKEND, FLOW_CLOSED]);
      request(scene, FLAGS.syn);
      expect(scene.state).toBe(FLOW_SYN);
    },
  },
  {
    name: 'a reset closes, a SYN in an open connection does not reopen',
    run: (scene) => {
      request(scene, FLAGS.ack);
      request(scene, FLAGS.syn);
      expect(scene.state).toBe(flowState.FLOW_ESTABLISHED);
      answer(scene, FLAGS.rst);
      expect(scene.state).toBe(flowState.FLOW_CLOSED);
    },
  },
  {
    name: 'UDP is answered or not',
    run: (scene) => {
      scene.bed.arrive(scene.tunnelled(scene.udp(scene.client, scene.dns)));
      expect(scene.state).toBe(flowState.FLOW_UDP);
      scene.bed.leave(frame(scene.udp(scene.dnsPod, scene.client)));
      expect(scene.state).toBe(flowState.FLOW_UDP_REPLIED);
    },
  },
  {
    name: 'packets of both directions keep a flow alive, to within a second',
    run: (scene) => {
      const seconds = () => ((scene.bed.now() - (scene.bed.flows()[0]?.place.seen ?? 0)) >>> 0) / 1_000_000;
      request(scene, FLAGS.ack);
      scene.bed.passSeconds(50);
      expect(seconds()).toBeGreaterThan(49);
      answer(scene, FLAGS.ack);
      expect(seconds()).toBeLessThan(2);
      scene.bed.passSeconds(50);
      request(scene, FLAGS.ack);
      expect(seconds()).toBeLessThan(2);
    },
  },
  {
    name: 'the same client port through another VIP gets another port at the pod, and its own back',
    run: (scene) => {
      request(scene, FLAGS.ack);
      const port = portOfOther(scene, FLAGS.syn);
      expect(port).toBeGreaterThanOrEqual(0x8000);
      expect(port).not.toBe(scene.client.port);
      const seen = clientAt(scene, port);
      scene.expectDelivered(
        scene.tcp(scene.client, otherWeb(scene), FLAGS.ack),
        scene.tcp(seen, scene.webPod, FLAGS.ack),
      );
      scene.expectDelivered(scene.tcp(scene.client, scene.web), scene.tcp(scene.client, scene.webPod));
      scene.expectLeaving(scene.tcp(scene.webPod, seen), scene.tcp(otherWeb(scene), scene.client));
      scene.expectLeaving(scene.tcp(scene.webPod, scene.client), scene.tcp(scene.web, scene.client));
      expect(scene.bed.flows()).toHaveLength(2);
      expect(scene.bed.events()).toEqual({ NODE_EVENT_PORT_CHANGED: 1 });
    },
  },
  {
    name: 'and keeps that port when the flow that was in its way is over',
    run: (scene) => {
      request(scene, FLAGS.ack);
      const seen = clientAt(scene, portOfOther(scene, FLAGS.ack));
      request(scene, FLAGS.rst);
      scene.bed.passSeconds(61);
      scene.expectDelivered(scene.tcp(scene.client, otherWeb(scene)), scene.tcp(seen, scene.webPod));
      request(scene, FLAGS.syn);
      scene.expectDelivered(scene.tcp(scene.client, otherWeb(scene)), scene.tcp(seen, scene.webPod));
      expect(scene.bed.flows()).toHaveLength(2);
    },
  },
  {
    name: 'and goes on with it when the table is full',
    run: (scene) => {
      request(scene, FLAGS.ack);
      const seen = clientAt(scene, portOfOther(scene, FLAGS.ack));
      fill(scene, FLAGS.ack, PLACES - 2);
      scene.expectDelivered(scene.tcp(scene.client, otherWeb(scene)), scene.tcp(seen, scene.webPod));
    },
  },
  {
    name: 'UDP with and without a checksum gets it too',
    run: (scene) => {
      const { client, dns, dnsPod } = scene;
      const other = { ...dns, address: scene.at.otherVip };
      scene.bed.arrive(scene.tunnelled(scene.udp(client, dns)));
      for (const checksum of scene.family === 'v4' ? [true, false] : [true]) {
        scene.bed.arrive(scene.tunnelled(scene.udp(client, other, checksum)));
        const { place } = flowThrough(scene, other.address);
        const seen = clientAt(scene, place.key.clientPort);
        scene.expectDelivered(scene.udp(client, other, checksum), scene.udp(seen, dnsPod, checksum));
        scene.expectLeaving(scene.udp(dnsPod, seen, checksum), scene.udp(other, client, checksum));
      }
    },
  },
  {
    name: 'a flow is refused when others have all ports that it could have at the pod',
    run: (scene) => {
      request(scene, FLAGS.ack);
      for (let taken = 0; taken < 3; taken++) {
        const port = portOfOther(scene, FLAGS.ack);
        request(scene, FLAGS.rst, scene.client, otherWeb(scene));
        scene.bed.passSeconds(61);
        request(scene, FLAGS.ack, clientAt(scene, port));
      }
      scene.expectDrop(
        scene.tunnelled(scene.tcp(scene.client, otherWeb(scene), FLAGS.syn)),
        'NODE_DROP_FLOW_TAKEN',
      );
      expect(answer(scene, FLAGS.ack).data.equals(frame(scene.tcp(scene.web, scene.client)))).toBe(true);
    },
  },
  {
    name: 'and takes a place whose flow is closed, or whose time is over',
    run: (scene) => {
      request(scene, FLAGS.rst);
      request(scene, FLAGS.syn, scene.client, otherWeb(scene));
      expect(scene.bed.flows()).toHaveLength(1);
      scene.expectLeaving(scene.tcp(scene.webPod, scene.client), scene.tcp(otherWeb(scene), scene.client));
      scene.bed.passSeconds(31);
      request(scene, FLAGS.syn);
      expect(scene.bed.flows()).toHaveLength(1);
      scene.expectLeaving(scene.tcp(scene.webPod, scene.client), scene.tcp(scene.web, scene.client));
    },
  },
  {
    name: 'a full table refuses new flows and keeps the old ones',
    run: (scene) => {
      fill(scene, FLAGS.ack);
      const late = scene.tunnelled(scene.tcp(clientAt(scene, 5000), scene.web, FLAGS.syn));
      scene.expectDrop(late, 'NODE_DROP_FLOWS_FULL');
      scene.bed.passSeconds(900);
      scene.expectDrop(late, 'NODE_DROP_FLOWS_FULL');
      expect(request(scene, FLAGS.ack, clientAt(scene, 1000)).verdict).toBe('pass');
      expect(scene.bed.flows()).toHaveLength(PLACES);
    },
  },
  {
    name: 'expired flows make room without the agent',
    run: (scene) => {
      fill(scene, FLAGS.ack);
      scene.bed.passSeconds(1001);
      for (let i = 0; i < PLACES; i++) request(scene, FLAGS.ack, clientAt(scene, 5000 + i));
      expect(scene.bed.drops()).toEqual({});
      expect(scene.bed.events()).toEqual({ NODE_EVENT_FLOW_EXPIRED: PLACES });
      const ports = scene.bed.flows().map(({ place }) => place.key.clientPort);
      expect(Math.min(...ports)).toBe(5000);
    },
  },
  {
    name: 'half-open flows make room after a second, established ones do not',
    run: (scene) => {
      for (let i = 0; i < PLACES; i++)
        request(scene, i % 2 === 0 ? FLAGS.syn : FLAGS.ack, clientAt(scene, 1000 + i));
      const late = scene.tunnelled(scene.tcp(clientAt(scene, 5000), scene.web, FLAGS.syn));
      scene.expectDrop(late, 'NODE_DROP_FLOWS_FULL');
      scene.bed.passSeconds(2);
      expect(scene.bed.arrive(late).verdict).toBe('pass');
      expect(scene.bed.events()).toEqual({ NODE_EVENT_FLOW_EVICTED: 1 });
      const flows = scene.bed.flows();
      expect(flows).toHaveLength(PLACES);
      expect(flows.filter(({ place }) => place.state === flowState.FLOW_ESTABLISHED)).toHaveLength(
        PLACES / 2,
      );
    },
  },
];
