/** What a packet test is written with: packets go in, and what came out is held against model and expectation. */
import { expect } from 'vitest';
import type { DesiredService } from '../../src/services/desired-state.ts';
import { ip } from '../model/bytes.ts';
import { buildFrame, type FrameFields, type IpFields, type TcpFields } from '../model/packet.ts';
import { type ParsedFrame, parseFrame } from '../model/parse.ts';
import type { Result } from '../model/process-packet.ts';
import type { FlowRecord } from '../model/state.ts';
import { type Bed, HZ } from './bed.ts';
import { Pair } from './pair.ts';
import { at, service, VIP } from './situation.ts';

export const CLIENT = ip('198.51.100.7');
export const CLIENT_PORT = 40_000;
/** MAC addresses as network.ts gives them. */
export const LAN_MAC = '02:00:00:00:00:01';
export const GATEWAY_MAC = '02:09:0a:09:00:01';

export class Scene {
  readonly pair: Pair;
  readonly #reached: Set<string>;

  constructor(bed: Bed, reached: Set<string>) {
    this.pair = new Pair(bed);
    this.#reached = reached;
  }

  /** Empty maps, and one service with these backends on TCP 80, UDP 53. */
  async begin(...addresses: string[]): Promise<void> {
    this.pair.reset();
    await this.apply(webAndDns(addresses));
  }

  async apply(services: readonly DesiredService[]): Promise<void> {
    await this.pair.apply(services);
  }

  /** The kernel does not run tc programs on frames that end inside the IPv4 header. */
  canRun(frame: Uint8Array): boolean {
    return this.pair.bed.hook === 'xdp' || frame.length >= 34;
  }

  /** Sends; fails if the programs did anything else than the model. */
  send(frame: Uint8Array, ingressIfindex?: number): Result {
    const { result, differences } = this.pair.send(frame, ingressIfindex);
    expect([...differences, ...this.pair.compare()], 'programs and model').toEqual([]);
    this.#reached.add(result.verdict);
    if ('reason' in result && result.reason !== undefined) this.#reached.add(result.reason);
    for (const event of result.events) this.#reached.add(event);
    return result;
  }

  /** Sends, and reads the frame that comes out. */
  out(frame: Uint8Array): ParsedFrame {
    return parseFrame(this.outFrame(frame));
  }

  outFrame(frame: Uint8Array): Uint8Array {
    const result = this.send(frame);
    if (result.verdict === 'drop') expect.fail(`dropped: ${result.reason}`);
    return result.frame;
  }

  expectDrop(frame: Uint8Array, reason: string): void {
    expect(this.send(frame)).toMatchObject({ verdict: 'drop', reason });
  }

  passSeconds(seconds: number): void {
    this.pair.age(seconds * HZ);
  }

  /** The record of the only flow. */
  get record(): FlowRecord {
    const used = [...this.pair.model.records.values()].filter(({ state }) => state !== 'FLOW_FREE');
    if (used.length !== 1 || used[0] === undefined) expect.fail(`${used.length} records are in use`);
    return used[0];
  }
}

export const webAndDns = (addresses: readonly string[]): DesiredService[] => [
  service(
    VIP,
    80,
    'TCP',
    addresses.map((address) => at(address, 8080)),
  ),
  service(
    VIP,
    53,
    'UDP',
    addresses.map((address) => at(address, 5353)),
  ),
];

type TcpOptions = Partial<Omit<TcpFields, 'kind'>> & { ip?: Partial<IpFields> };

/** A segment of the client's to the VIP. */
export function segment(flags: number, options: TcpOptions = {}, frame: Partial<FrameFields> = {}): Buffer {
  const { ip: ipFields, ...tcp } = options;
  return buildFrame({
    ip: { source: CLIENT, destination: VIP, id: 77, ...ipFields },
    l4: {
      kind: 'tcp',
      sourcePort: CLIENT_PORT,
      destinationPort: 80,
      seq: 1000,
      ack: 2000,
      payload: Buffer.from('hello'),
      ...tcp,
      flags,
    },
    ...frame,
  });
}

export function datagram(
  payload: Uint8Array = Buffer.from('query'),
  udp: { checksum?: number; sourcePort?: number; destinationPort?: number } = {},
  ipFields: Partial<IpFields> = {},
): Buffer {
  return buildFrame({
    ip: { source: CLIENT, destination: VIP, id: 78, ...ipFields },
    l4: { kind: 'udp', sourcePort: CLIENT_PORT, destinationPort: 53, payload, ...udp },
  });
}

/** What the backend answers to a forwarded frame. */
export function answerTo(forwarded: ParsedFrame, flags = 0x10, ipFields: Partial<IpFields> = {}): Buffer {
  const { source, destination, sourcePort, destinationPort, protocol } = forwarded;
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
  const payload = Buffer.from('answer');
  return buildFrame({
    ip: { source: destination, destination: source, id: 79, ...ipFields },
    l4: protocol === 6 ? { kind: 'tcp', ...ports, flags, payload } : { kind: 'udp', ...ports, payload },
  });
}
