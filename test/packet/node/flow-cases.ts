/** What is remembered, for how long, and what happens when there is no room. */
import { expect } from 'vitest';
import { flowState } from '../../../src/layout/generated.ts';
import type { NodeCase } from './cases.ts';
import { FLAGS, frame } from './frames.ts';
import { type End, type NodeScene, PLACES } from './scene.ts';

const request = (scene: NodeScene, flags: number, from: End = scene.client, to: End = scene.web) =>
  scene.bed.arrive(scene.tunnelled(scene.tcp(from, to, flags)));
const answer = (scene: NodeScene, flags: number) =>
  scene.bed.leave(frame(scene.tcp(scene.webPod, scene.client, flags)));
const clientAt = (scene: NodeScene, port: number): End => ({ ...scene.client, port });
const otherWeb = (scene: NodeScene): End => ({ address: scene.at.otherVip, port: 80 });

function fill(scene: NodeScene, flags: number): void {
  for (let i = 0; i < PLACES; i++) {
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
    name: 'the same client port through another VIP is refused while the flow lives',
    run: (scene) => {
      request(scene, FLAGS.ack);
      scene.expectDrop(
        scene.tunnelled(scene.tcp(scene.client, otherWeb(scene), FLAGS.syn)),
        'NODE_DROP_FLOW_TAKEN',
      );
      expect(scene.bed.flows()).toHaveLength(1);
      expect(answer(scene, FLAGS.ack).data.equals(frame(scene.tcp(scene.web, scene.client)))).toBe(true);
    },
  },
  {
    name: 'and takes its place once it is closed, or its time is over',
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
