/** Tunnels that end here, and those that are none of ours. */
import { expect } from 'vitest';
import type { NodeCase } from './cases.ts';
import { FLAGS, frame, ipPacket, isV6, PROTOCOL, tcp, tunnelled, udp } from './frames.ts';
import { ADDRESSES, type NodeScene } from './scene.ts';

const other = (scene: NodeScene) => ADDRESSES[scene.family === 'v4' ? 'v6' : 'v4'];

function forwarded(scene: NodeScene, how: 'ipip' | 'gue', tags: readonly number[] = []): void {
  const out = scene.bed.arrive(scene.tunnelled(scene.tcp(scene.client, scene.web), how, tags));
  scene.expectOut(out, frame(scene.tcp(scene.client, scene.webPod), tags));
}

/** A packet whose IP header the test makes itself. */
function withL4(scene: NodeScene, to: { address: string; port: number }, more: object): Buffer {
  const { client } = scene;
  const ends = { from: client.address, to: to.address, sport: client.port, dport: to.port };
  return ipPacket({
    from: ends.from,
    to: ends.to,
    protocol: PROTOCOL.tcp,
    payload: tcp(ends, FLAGS.ack),
    ...more,
  });
}

/** Behind an IPv6 destination options header of 8 bytes, `count` times. */
function withExtensions(scene: NodeScene, to: { address: string; port: number }, count: number): Buffer {
  const { client } = scene;
  const ends = { from: client.address, to: to.address, sport: client.port, dport: to.port };
  const headers = Array.from({ length: count }, (_, i) =>
    Buffer.from([i === count - 1 ? PROTOCOL.tcp : 60, 0, 1, 4, 0, 0, 0, 0]),
  );
  const payload = Buffer.concat([...headers, tcp(ends, FLAGS.ack)]);
  return ipPacket({ from: ends.from, to: ends.to, protocol: 60, payload });
}

/** The second half of a UDP datagram that was cut at 8 bytes. */
export function laterFragment(scene: NodeScene, from: string, to: string, id = 7): Buffer {
  const payload = Buffer.from('rest of the datagram');
  if (scene.family === 'v4') return ipPacket({ from, to, protocol: PROTOCOL.udp, payload, id, fragment: 1 });
  const header = Buffer.from([PROTOCOL.udp, 0, 0, 8, 0, 0, 0, id]);
  return ipPacket({ from, to, protocol: PROTOCOL.fragment, payload: Buffer.concat([header, payload]) });
}

/** The first one, which has the UDP header with the checksum of the whole. */
export function firstFragment(
  scene: NodeScene,
  from: { address: string; port: number },
  to: { address: string; port: number },
  id = 7,
): Buffer {
  const ends = { from: from.address, to: to.address, sport: from.port, dport: to.port };
  const payload = udp({ ...ends, payload: Buffer.from('12345678rest of the datagram') }).subarray(0, 16);
  const addresses = { from: from.address, to: to.address };
  if (scene.family === 'v4') {
    return ipPacket({ ...addresses, protocol: PROTOCOL.udp, payload, id, fragment: 0x2000 });
  }
  const header = Buffer.from([PROTOCOL.udp, 0, 0, 1, 0, 0, 0, id]);
  return ipPacket({ ...addresses, protocol: PROTOCOL.fragment, payload: Buffer.concat([header, payload]) });
}

export const DELIVER_CASES: readonly NodeCase[] = [
  { name: 'TCP in IPIP goes to the pod', run: (scene) => forwarded(scene, 'ipip') },
  { name: 'TCP in GUE goes to the pod', run: (scene) => forwarded(scene, 'gue') },
  {
    name: 'tags stay on XDP',
    run: (scene) => {
      if (scene.bed.hook === 'tc') return;
      forwarded(scene, 'ipip', [100]);
      forwarded(scene, 'gue', [100, 200]);
    },
  },
  {
    name: 'UDP goes to the pod',
    run: (scene) =>
      scene.expectDelivered(scene.udp(scene.client, scene.dns), scene.udp(scene.client, scene.dnsPod)),
  },
  {
    name: 'UDP without a checksum stays without',
    only: 'v4',
    run: (scene) =>
      scene.expectDelivered(
        scene.udp(scene.client, scene.dns, false),
        scene.udp(scene.client, scene.dnsPod, false),
      ),
  },
  {
    name: 'the tunnel may be of the other family',
    run: (scene) => {
      const { lb, pod } = other(scene);
      scene.bed.apply(scene.target(scene.at.vip, 80, 6, scene.at.pod, 8080, pod));
      for (const how of ['ipip', 'gue'] as const) {
        const sent = frame(tunnelled(scene.tcp(scene.client, scene.web), lb, pod, how));
        scene.expectOut(scene.bed.arrive(sent), frame(scene.tcp(scene.client, scene.webPod)));
      }
    },
  },
  {
    name: 'IPv4 options, TTL and TOS stay as they are',
    only: 'v4',
    run: (scene) => {
      const more = { options: Buffer.from([1, 1, 1, 0]), ttl: 1, tos: 3 };
      scene.expectDelivered(withL4(scene, scene.web, more), withL4(scene, scene.webPod, more));
    },
  },
  {
    name: 'congestion that the way marked reaches the pod, or the packet is dropped',
    run: (scene) => {
      const { client, at } = scene;
      const packet = (to: { address: string; port: number }, tos: number) => {
        const ends = { from: client.address, to: to.address, sport: client.port, dport: to.port };
        return ipPacket({
          from: client.address,
          to: to.address,
          protocol: PROTOCOL.tcp,
          payload: tcp(ends, FLAGS.ack),
          tos,
        });
      };
      const sent = (inner: Buffer, tos: number) => {
        const protocol = scene.family === 'v4' ? PROTOCOL.ipip : PROTOCOL.ipv6;
        return frame(ipPacket({ from: at.lb, to: at.pod, protocol, payload: inner, id: 0, ttl: 64, tos }));
      };
      for (const ect of [1, 2, 3]) {
        scene.expectOut(
          scene.bed.arrive(sent(packet(scene.web, ect), ect)),
          frame(packet(scene.webPod, ect)),
        );
        scene.expectOut(scene.bed.arrive(sent(packet(scene.web, ect), 3)), frame(packet(scene.webPod, 3)));
      }
      expect(scene.bed.arrive(sent(packet(scene.web, 0), 3)).verdict).toBe('drop');
    },
  },
  {
    name: 'IPv6 extension headers are passed over, six at most',
    only: 'v6',
    run: (scene) => {
      scene.expectDelivered(withExtensions(scene, scene.web, 6), withExtensions(scene, scene.webPod, 6));
      scene.expectDrop(scene.tunnelled(withExtensions(scene, scene.web, 7)), 'DROP_EXTENSION_HEADER');
    },
  },
  {
    name: 'what is not tunnelled is left alone',
    run: (scene) => {
      const sent = frame(scene.tcp(scene.client, scene.web));
      scene.expectUntouched(scene.bed.arrive(sent), sent);
    },
  },
  {
    name: "somebody else's tunnel is left alone, from wherever",
    run: (scene) => {
      const inner = scene.tcp(scene.client, scene.webPod);
      for (const how of ['ipip', 'gue'] as const) {
        const sent = frame(tunnelled(inner, scene.at.router, scene.at.pod, how));
        scene.expectUntouched(scene.bed.arrive(sent), sent);
      }
    },
  },
  {
    name: 'UDP of another port, and GUE of another kind, are left alone',
    run: (scene) => {
      const inner = scene.tcp(scene.client, scene.web);
      const port = scene.tunnelled(inner, 'gue');
      const udpAt = 14 + (scene.family === 'v4' ? 20 : 40);
      port.writeUInt16BE(6081, udpAt + 2);
      scene.expectUntouched(scene.bed.arrive(port), port);
      const kind = scene.tunnelled(inner, 'gue');
      kind[udpAt + 8] = 0x01;
      scene.expectUntouched(scene.bed.arrive(kind), kind);
    },
  },
  {
    name: 'a tunnel from elsewhere is dropped',
    run: (scene) => {
      const inner = scene.tcp(scene.client, scene.web);
      const sent = frame(tunnelled(inner, scene.at.router, scene.at.pod));
      scene.expectDrop(sent, 'NODE_DROP_SOURCE');
    },
  },
  {
    name: 'a fragment of the tunnel itself is dropped; a later one is nobody knows whose',
    only: 'v4',
    run: (scene) => {
      const { lb, pod } = scene.at;
      const inner = scene.tcp(scene.client, scene.web);
      const outer = { from: lb, to: pod, protocol: PROTOCOL.ipip, payload: inner };
      scene.expectDrop(frame(ipPacket({ ...outer, fragment: 0x2000 })), 'NODE_DROP_FRAGMENT');
      const later = frame(ipPacket({ ...outer, fragment: 0x0010 }));
      expectSame(scene, later);
    },
  },
  {
    name: 'a port, a VIP or a pod that is not served is dropped',
    run: (scene) => {
      const { client, web, at } = scene;
      scene.expectDrop(scene.tunnelled(scene.tcp(client, { ...web, port: 81 })), 'NODE_DROP_NO_TARGET');
      scene.expectDrop(scene.tunnelled(scene.udp(client, web)), 'NODE_DROP_NO_TARGET');
      const elsewhere = frame(tunnelled(scene.tcp(client, web), at.lb, at.client));
      scene.expectDrop(elsewhere, 'NODE_DROP_NO_TARGET');
    },
  },
  {
    name: 'what is shorter than it says, or makes no sense, is dropped',
    run: (scene) => {
      const whole = scene.tcp(scene.client, scene.web);
      const cut = frame(tunnelled(whole.subarray(0, whole.length - 6), scene.at.lb, scene.at.pod));
      scene.expectDrop(cut, 'DROP_TRUNCATED');
      const header = scene.family === 'v4' ? 20 : 40;
      const odd = Buffer.from(whole);
      odd[header + 12] = 0x40;
      scene.expectDrop(scene.tunnelled(odd), 'DROP_BAD_HEADER');
    },
  },
  {
    name: 'another protocol is dropped',
    run: (scene) => {
      const { vip, client } = scene.at;
      const sctp = ipPacket({ from: client, to: vip, protocol: 132, payload: Buffer.alloc(16) });
      scene.expectDrop(scene.tunnelled(sctp), 'DROP_UNKNOWN_PROTOCOL');
    },
  },
  {
    name: 'fragments inside the tunnel go to the pod, in any order',
    run: (scene) => {
      const { client, dns, dnsPod, at } = scene;
      const later = laterFragment(scene, client.address, at.vip);
      scene.expectDelivered(later, laterFragment(scene, client.address, at.pod));
      scene.expectDelivered(firstFragment(scene, client, dns), firstFragment(scene, client, dnsPod));
      if (scene.bed.events().NODE_EVENT_FRAGMENT_TO_POD !== 1) throw new Error('not counted');
    },
  },
  {
    name: 'a later fragment for a pod that does not serve the VIP is dropped',
    run: (scene) => {
      const { client, lb, vip } = scene.at;
      const sent = frame(tunnelled(laterFragment(scene, client, vip), lb, client));
      scene.expectDrop(sent, 'NODE_DROP_NO_TARGET');
    },
  },
];

function expectSame(scene: NodeScene, sent: Buffer): void {
  const out = scene.bed.arrive(sent);
  if (out.verdict !== 'pass' || !out.data.equals(sent)) throw new Error('it was not left alone');
  if (isV6(scene.at.vip)) throw new Error('IPv6 has no such fragments');
}
