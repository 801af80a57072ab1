/** ICMP errors quote packets that one side knows by another name. */
import { expect } from 'vitest';
import type { NodeCase } from './cases.ts';
import { FLAGS, frame, ipPacket, PROTOCOL } from './frames.ts';
import type { End, NodeScene } from './scene.ts';

/** The first 8 bytes of the L4 header, with these ports; the checksum is what it is. */
function quote(from: End, to: End, protocol: number): Buffer {
  const l4 = Buffer.from([0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
  l4.writeUInt16BE(from.port, 0);
  l4.writeUInt16BE(to.port, 2);
  return ipPacket({ from: from.address, to: to.address, protocol, payload: l4 });
}

/** Too big: what PMTU discovery lives on. */
const tooBig = (scene: NodeScene, from: string, to: string, quoted: Uint8Array) =>
  scene.family === 'v4' ? scene.icmp(from, to, 3, 4, 1400, quoted) : scene.icmp(from, to, 2, 0, 1400, quoted);

const unreachable = (scene: NodeScene, from: string, to: string, quoted: Uint8Array) =>
  scene.family === 'v4' ? scene.icmp(from, to, 3, 3, 0, quoted) : scene.icmp(from, to, 1, 4, 0, quoted);

export const ICMP_CASES: readonly NodeCase[] = [
  {
    name: 'an error about an answer reaches the pod, which knows its own address and port',
    run: (scene) => {
      const { web, webPod, dns, dnsPod, client, at } = scene;
      for (const [vip, pod, protocol] of [
        [web, webPod, PROTOCOL.tcp],
        [dns, dnsPod, PROTOCOL.udp],
      ] as const) {
        const sent = tooBig(scene, at.router, at.vip, quote(vip, client, protocol));
        const expected = tooBig(scene, at.router, at.pod, quote(pod, client, protocol));
        scene.expectDelivered(sent, expected);
      }
      expect(scene.bed.events()).toEqual({ NODE_EVENT_ICMP_TO_POD: 2 });
      expect(scene.bed.flows()).toEqual([]);
    },
  },
  {
    name: 'an error that quotes something else is dropped',
    run: (scene) => {
      const { web, webPod, client, at } = scene;
      const about = (from: End) => tooBig(scene, at.router, at.vip, quote(from, client, PROTOCOL.tcp));
      scene.expectDrop(scene.tunnelled(about(webPod)), 'DROP_ICMP_NO_FLOW');
      scene.expectDrop(scene.tunnelled(about({ ...web, port: 81 })), 'NODE_DROP_NO_TARGET');
      const echo = scene.icmp(
        at.client,
        at.vip,
        scene.family === 'v4' ? 8 : 128,
        0,
        0x10001,
        Buffer.from('ping'),
      );
      scene.expectDrop(scene.tunnelled(echo), 'DROP_ICMP');
    },
  },
  {
    name: "a pod's error about a request comes from the VIP",
    run: (scene) => {
      const { dns, dnsPod, client, at } = scene;
      scene.bed.arrive(scene.tunnelled(scene.udp(client, dns)));
      scene.expectLeaving(
        unreachable(scene, at.pod, at.client, quote(client, dnsPod, PROTOCOL.udp)),
        unreachable(scene, at.vip, at.client, quote(client, dns, PROTOCOL.udp)),
      );
      expect(scene.bed.events()).toEqual({ NODE_EVENT_ICMP_TO_CLIENT: 1 });
    },
  },
  {
    name: "a router's error about a request keeps its own source",
    run: (scene) => {
      const { web, webPod, client, at } = scene;
      scene.bed.arrive(scene.tunnelled(scene.tcp(client, web, FLAGS.syn)));
      scene.expectLeaving(
        tooBig(scene, at.router, at.client, quote(client, webPod, PROTOCOL.tcp)),
        tooBig(scene, at.router, at.client, quote(client, web, PROTOCOL.tcp)),
      );
    },
  },
  {
    name: 'an error about something else is left alone',
    run: (scene) => {
      const { webPod, client, at } = scene;
      for (const packet of [
        unreachable(scene, at.pod, at.client, quote(client, webPod, PROTOCOL.tcp)),
        unreachable(scene, at.pod, at.router, quote(client, webPod, PROTOCOL.tcp)),
      ]) {
        scene.expectUntouched(scene.bed.leave(frame(packet)), frame(packet));
      }
    },
  },
  {
    name: 'errors about a flow whose port the pod knows as another one name the right port to each side',
    run: (scene) => {
      const { dns, dnsPod, client, at } = scene;
      const other = { ...dns, address: at.otherVip };
      for (const vip of [dns, other]) scene.bed.arrive(scene.tunnelled(scene.udp(client, vip)));
      const ports = scene.bed.flows().map(({ place }) => place.key.clientPort);
      const seen = { ...client, port: ports.find((port) => port !== client.port) ?? 0 };
      scene.expectLeaving(
        unreachable(scene, at.pod, at.client, quote(seen, dnsPod, PROTOCOL.udp)),
        unreachable(scene, at.otherVip, at.client, quote(client, other, PROTOCOL.udp)),
      );
      scene.expectDelivered(
        tooBig(scene, at.router, at.otherVip, quote(other, client, PROTOCOL.udp)),
        tooBig(scene, at.router, at.pod, quote(dnsPod, seen, PROTOCOL.udp)),
      );
      scene.expectDelivered(
        tooBig(scene, at.router, at.vip, quote(dns, client, PROTOCOL.udp)),
        tooBig(scene, at.router, at.pod, quote(dnsPod, client, PROTOCOL.udp)),
      );
    },
  },
];
