/** The tc program on a real device, with its far end in hand. Call {@link enterNetwork} before. */
import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import type { BpfLink } from '../../src/kernel/kernel.ts';
import { foldSum, write16 } from '../model/bytes.ts';
import { PROTOCOL, pseudoSum } from '../model/packet.ts';
import { parseFrame } from '../model/parse.ts';
import { processPacket } from '../model/process-packet.ts';
import { type Bed, openBed } from './bed.ts';
import { DEVICE, widenDevice } from './network.ts';
import { Pair } from './pair.ts';
import { HASH_SEED, testConfig } from './situation.ts';
import { Wire } from './wire.ts';

/** Of both ends: several pages fit. */
const MTU = 9000;
/** What stands behind `vlan` would be looked for behind a tag. */
const FILTER = '(ip6 and net fd00::/16) or ether proto 0x0800 or vlan or ether proto 0x88a8';

export class TcWire {
  readonly pair: Pair;
  readonly #bed: Bed;
  readonly #link: BpfLink;
  readonly #wire: Wire;

  private constructor(bed: Bed, link: BpfLink, wire: Wire) {
    this.pair = new Pair(bed);
    this.#bed = bed;
    this.#link = link;
    this.#wire = wire;
  }

  static async open(): Promise<TcWire> {
    widenDevice('lan', MTU);
    const bed = openBed({ config: testConfig({}), hashSeed: HASH_SEED, hook: 'tc' });
    const link = bed.attach(DEVICE.lan);
    const text = execFileSync('ip', ['-j', 'link', 'show', 'lan-peer'], { encoding: 'utf8' });
    const [peer] = JSON.parse(text) as Array<{ ifindex: number }>;
    return new TcWire(bed, link, await Wire.open('lan-peer', peer?.ifindex ?? 0, FILTER));
  }

  /** Sends a frame; what comes back must be the model's frame, tags and all. */
  async exchange(frame: Uint8Array): Promise<Buffer> {
    this.#wire.send(frame);
    const came = await this.#wire.receive();
    expect(came.toString('hex')).toBe(Buffer.from(this.#expected(frame)).toString('hex'));
    return came;
  }

  /**
   * Sends a TCP or UDP frame whose checksum is left to the kernel, as neighbours on the same machine send it; what
   * comes back, and the model's frame for one with its whole checksum.
   */
  async exchangePartial(frame: Uint8Array): Promise<{ came: Buffer; expected: Uint8Array }> {
    const { l4, protocol, source, destination } = parseFrame(frame);
    const start = frame.length - l4.length;
    const checksum = start + (protocol === PROTOCOL.tcp ? 16 : 6);
    const sent = Uint8Array.from(frame);
    write16(sent, checksum, foldSum(pseudoSum(source, destination, protocol, l4.length)));
    this.#wire.sendPartial(sent, start, checksum);
    return { came: await this.#wire.receive(), expected: this.#expected(frame) };
  }

  #expected(frame: Uint8Array): Uint8Array {
    const arrival = { now: this.pair.now, cpu: this.pair.cpu, ingressIfindex: DEVICE.lan };
    const result = processPacket(this.pair.model, frame, arrival);
    if (result.verdict === 'drop') expect.fail(`the model drops: ${result.reason}`);
    return result.frame;
  }

  async close(): Promise<void> {
    await this.#wire.close();
    this.#bed.kernel.closeFd(this.#link.fd);
    this.#bed.close();
  }
}
