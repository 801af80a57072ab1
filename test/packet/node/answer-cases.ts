/** What leaves the node. */
import { expect } from 'vitest';
import type { NodeCase } from './cases.ts';
import { firstFragment, laterFragment } from './deliver-cases.ts';
import { FLAGS, frame } from './frames.ts';
import type { NodeScene } from './scene.ts';

/** A request has come. */
function begin(scene: NodeScene): void {
  scene.bed.arrive(scene.tunnelled(scene.tcp(scene.client, scene.web, FLAGS.syn)));
  scene.bed.arrive(scene.tunnelled(scene.udp(scene.client, scene.dns)));
  expect(scene.bed.flows()).toHaveLength(2);
}

export const ANSWER_CASES: readonly NodeCase[] = [
  {
    name: 'a TCP answer leaves from VIP and port',
    run: (scene) => {
      begin(scene);
      const { webPod, web, client } = scene;
      scene.expectLeaving(
        scene.tcp(webPod, client, FLAGS.syn | FLAGS.ack),
        scene.tcp(web, client, FLAGS.syn | FLAGS.ack),
      );
    },
  },
  {
    name: 'a UDP answer leaves from VIP and port',
    run: (scene) => {
      begin(scene);
      scene.expectLeaving(scene.udp(scene.dnsPod, scene.client), scene.udp(scene.dns, scene.client));
    },
  },
  {
    name: 'a UDP answer without a checksum stays without',
    only: 'v4',
    run: (scene) => {
      begin(scene);
      scene.expectLeaving(
        scene.udp(scene.dnsPod, scene.client, false),
        scene.udp(scene.dns, scene.client, false),
      );
    },
  },
  {
    name: 'a tagged answer is found',
    run: (scene) => {
      begin(scene);
      const sent = frame(scene.tcp(scene.webPod, scene.client), [100]);
      scene.expectOut(scene.bed.leave(sent), frame(scene.tcp(scene.web, scene.client), [100]));
    },
  },
  {
    name: 'what is no answer is left alone',
    run: (scene) => {
      begin(scene);
      const { webPod, client, at } = scene;
      for (const packet of [
        scene.tcp({ ...webPod, port: 8081 }, client),
        scene.tcp(webPod, { ...client, port: 40_001 }),
        scene.tcp(webPod, { ...client, address: at.router }),
        scene.udp(webPod, client),
      ]) {
        scene.expectUntouched(scene.bed.leave(frame(packet)), frame(packet));
      }
      const arp = Buffer.concat([Buffer.alloc(12, 2), Buffer.from([8, 6]), Buffer.alloc(46)]);
      scene.expectUntouched(scene.bed.leave(arp), arp);
    },
  },
  {
    name: 'a broken packet is left alone: it is not ours to judge',
    run: (scene) => {
      begin(scene);
      const packet = scene.tcp(scene.webPod, scene.client);
      packet[(scene.family === 'v4' ? 20 : 40) + 12] = 0x10;
      scene.expectUntouched(scene.bed.leave(frame(packet)), frame(packet));
    },
  },
  {
    name: 'a later fragment of what is no answer is not taken for one',
    run: (scene) => {
      scene.bed.arrive(scene.tunnelled(scene.udp(scene.client, scene.dns)));
      scene.bed.leave(frame(firstFragment(scene, scene.dnsPod, scene.client)));
      // The pod's own talk with the client, with the id that comes round.
      const own = { ...scene.dnsPod, port: 9999 };
      const first = frame(firstFragment(scene, own, scene.client));
      expect(scene.bed.leave(first).data).toEqual(first);
      const rest = frame(laterFragment(scene, scene.at.pod, scene.at.client));
      expect(Buffer.from(scene.bed.leave(rest).data).toString('hex')).toBe(rest.toString('hex'));
    },
  },
  {
    name: 'later fragments follow the first',
    run: (scene) => {
      begin(scene);
      const { dnsPod, dns, client, at } = scene;
      const early = frame(laterFragment(scene, at.pod, at.client, 8));
      scene.expectUntouched(scene.bed.leave(early), early);
      scene.expectLeaving(firstFragment(scene, dnsPod, client), firstFragment(scene, dns, client));
      scene.expectLeaving(laterFragment(scene, at.pod, at.client), laterFragment(scene, at.vip, at.client));
      expect(scene.bed.events()).toEqual({ NODE_EVENT_FRAGMENT_TO_CLIENT: 1 });
    },
  },
];
