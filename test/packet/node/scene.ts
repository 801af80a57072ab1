/** What a test of the node programs is written with: addresses of one family, packets, and what must come out. */
import { expect } from 'vitest';
import { parseAddress } from '../../../src/net/address.ts';
import type { NodeProgramConfig } from '../../../src/node-dataplane/node-program-config.ts';
import type { Target } from '../../../src/node-dataplane/plan-targets.ts';
import type { NodeBed } from './bed.ts';
import {
  FLAGS,
  frame,
  GUE_PORT,
  icmp,
  ipPacket,
  isV6,
  PROTOCOL,
  type Tunnel,
  tcp,
  tunnelled,
  udp,
} from './frames.ts';

export interface Addresses {
  readonly vip: string;
  readonly otherVip: string;
  readonly pod: string;
  readonly client: string;
  readonly lb: string;
  readonly router: string;
}

export const ADDRESSES: Readonly<Record<'v4' | 'v6', Addresses>> = {
  v4: {
    vip: '10.1.0.2',
    otherVip: '10.1.0.3',
    pod: '10.40.1.7',
    client: '198.51.100.7',
    lb: '10.4.1.2',
    router: '203.0.113.1',
  },
  v6: {
    vip: '2001:db8:1::2',
    otherVip: '2001:db8:1::3',
    pod: '2001:db8:40:1::7',
    client: '2001:db8:ffff::7',
    lb: '2001:db8:4::1:2',
    router: '2001:db8:dead::1',
  },
};

/** Places for flows: few, so that a test can fill them. */
export const PLACES = 64;

export function testNodeConfig(): NodeProgramConfig {
  const prefix = (text: string, length: number) => ({ network: parseAddress(text) ?? 0, length });
  return {
    vips: { ranges: [prefix('10.1.0.0', 24), prefix('2001:db8:1::', 64)] },
    tunnel: { sources: [prefix('10.4.0.0', 16), prefix('2001:db8:4::', 96)], guePort: GUE_PORT },
    timeouts: {
      tcpSyn: 30_000,
      tcpEstablished: 1_000_000,
      tcpHalfClosed: 120_000,
      tcpClosed: 60_000,
      udp: 30_000,
      udpReplied: 90_000,
    },
    limits: { flows: PLACES, targets: 64 },
  };
}

export interface End {
  readonly address: string;
  readonly port: number;
}

export class NodeScene {
  readonly at: Addresses;

  constructor(
    readonly bed: NodeBed,
    readonly family: 'v4' | 'v6',
  ) {
    this.at = ADDRESSES[family];
    const { vip, otherVip, pod } = this.at;
    bed.apply([
      ...this.target(vip, 80, 6, pod, 8080),
      ...this.target(vip, 53, 17, pod, 5353),
      ...this.target(otherVip, 80, 6, pod, 8080),
      ...this.target(otherVip, 53, 17, pod, 5353),
    ]);
  }

  target(
    vip: string,
    port: number,
    protocol: 6 | 17,
    pod: string,
    targetPort: number,
    outer = pod,
  ): Target[] {
    const number = (text: string) => parseAddress(text) ?? 0;
    const base = { vip: number(vip), outer: number(outer), address: number(pod) };
    return [
      { ...base, port, protocol, targetPort },
      { ...base, port: 0, protocol: 0, targetPort: 0 },
    ];
  }

  get client(): End {
    return { address: this.at.client, port: 40_000 };
  }
  get web(): End {
    return { address: this.at.vip, port: 80 };
  }
  get webPod(): End {
    return { address: this.at.pod, port: 8080 };
  }
  get dns(): End {
    return { address: this.at.vip, port: 53 };
  }
  get dnsPod(): End {
    return { address: this.at.pod, port: 5353 };
  }

  tcp(from: End, to: End, flags: number = FLAGS.ack, payload?: Uint8Array): Buffer {
    const ends = { from: from.address, to: to.address, sport: from.port, dport: to.port };
    const l4 = tcp(payload === undefined ? ends : { ...ends, payload }, flags);
    return ipPacket({ from: from.address, to: to.address, protocol: PROTOCOL.tcp, payload: l4 });
  }

  /** Without a checksum nothing takes up the change of a port, and no receiver looks at a sum. */
  udp(from: End, to: End, checksum = true, payload?: Uint8Array): Buffer {
    if (!checksum) this.bed.checksumComplete = false;
    const ends = { from: from.address, to: to.address, sport: from.port, dport: to.port };
    const l4 = udp(payload === undefined ? ends : { ...ends, payload }, checksum);
    return ipPacket({ from: from.address, to: to.address, protocol: PROTOCOL.udp, payload: l4 });
  }

  icmp(from: string, to: string, type: number, code: number, rest: number, quote: Uint8Array): Buffer {
    const protocol = isV6(to) ? PROTOCOL.icmp6 : PROTOCOL.icmp;
    return ipPacket({ from, to, protocol, payload: icmp(from, to, type, code, rest, quote) });
  }

  /** What an LB node sends for that packet. */
  tunnelled(inner: Uint8Array, how: Tunnel = 'ipip', tags: readonly number[] = []): Buffer {
    return frame(tunnelled(inner, this.at.lb, this.at.pod, how), tags);
  }

  /** Sends the packet through a tunnel to the node; `expected` must go on to the pod. */
  expectDelivered(inner: Uint8Array, expected: Uint8Array): void {
    this.expectOut(this.bed.arrive(this.tunnelled(inner)), frame(expected));
  }

  expectOut(out: { verdict: string; data: Uint8Array }, expected: Uint8Array): void {
    expect(this.bed.drops(), 'drops').toEqual({});
    expect(out.verdict).toBe('pass');
    expect(Buffer.from(out.data).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
  }

  expectUntouched(out: { verdict: string; data: Uint8Array }, sent: Uint8Array): void {
    this.expectOut(out, sent);
    expect(this.bed.events(), 'events').toEqual({});
  }

  expectDrop(sent: Uint8Array, reason: string): void {
    const before = this.bed.drops()[reason] ?? 0;
    expect(this.bed.arrive(sent).verdict).toBe('drop');
    expect(this.bed.drops()[reason] ?? 0, reason).toBe(before + 1);
  }

  /** A packet of the pod's leaves the node; `expected` must come out. */
  expectLeaving(sent: Uint8Array, expected: Uint8Array): void {
    this.expectOut(this.bed.leave(frame(sent)), frame(expected));
  }

  /** The state of the only flow's place. */
  get state(): number {
    const flows = this.bed.flows();
    if (flows.length !== 1 || flows[0] === undefined) expect.fail(`there are ${flows.length} flows`);
    return flows[0].place.state;
  }
}
