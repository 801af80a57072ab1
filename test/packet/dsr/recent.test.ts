/** Copies of remembered flows: when they decide, and when they must not. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  backend as backendLayout,
  RECENT_EACH_LINE,
  recentFlow as recentLayout,
  service as serviceLayout,
} from '../../../src/layout/generated.ts';
import { enterNetwork } from '../network.ts';
import { ageRecent } from '../recent.ts';
import type { Flow } from './addresses.ts';
import { BACKENDS, DsrBed, type DsrOptions, macOfBackend, mixedSlots } from './dsr-bed.ts';
import { frameOf, innerPacket, TCP_FLAGS } from './frames.ts';
import { tableWord } from './hand-made.ts';

const SECOND = 1_000_000;
const TRACKED = 0x8000;
const OLDEST_LINE = 48;
const OWNERS = mixedSlots();
const next = (owner: number): number => (owner + 1) % BACKENDS;

let bed: DsrBed;
beforeAll(enterNetwork);
afterEach(() => bed.close());

/** Every slot is tracked, and had the next backend as owner before. */
function open(options: Pick<DsrOptions, 'hook' | 'config'>): void {
  const slots = OWNERS.map((owner) => owner | TRACKED);
  bed = new DsrBed({ mode: 'ipip', outer: 4, slots, ...options });
  setOldest(OWNERS.map(next));
}

function setOldest(owners: readonly number[]): void {
  bed.hand.setSlots(OLDEST_LINE, owners);
  const { view, at } = bed.hand.at('services', 1);
  serviceLayout.write(view, at, {
    ...serviceLayout.read(view, at),
    oldest: tableWord(OLDEST_LINE, 1, 8),
    windowStart: bed.hand.now(),
    windowTcp: 900 * SECOND,
  });
}

function send(flow: Flow, flags: number): number {
  const { action, data } = bed.run(frameOf(innerPacket({ flow, flags })));
  expect(action).toBe('tx');
  return Array.from({ length: BACKENDS }, (_, n) => macOfBackend(n)).findIndex((mac) =>
    data.subarray(0, 6).equals(mac),
  );
}

function begin(flow: Flow): number {
  const to = send(flow, TCP_FLAGS.syn);
  expect(send(flow, TCP_FLAGS.ack)).toBe(to);
  bed.counted();
  return to;
}

/** Behind the programs' backs, so that only a copy can know. */
function emptyTable(): void {
  const { kernel } = bed.hand;
  const table = bed.hand.map('remembered4');
  for (const { key } of kernel.entries(table)) kernel.delete(table, key);
}

const copies = () => {
  const { view } = bed.hand.at('recent4', 0);
  return Array.from({ length: view.byteLength / recentLayout.size }, (_, n) => {
    const at = n * recentLayout.size;
    return { at, ...recentLayout.read(view, at) };
  }).filter(({ word }) => word !== 0n);
};

describe.each(['xdp', 'tc'] as const)('%s', (hook) => {
  beforeEach(() => open({ hook }));

  it('leads the packets of a flow for a second, and not longer', () => {
    const flow = bed.flow(4);
    const owner = begin(flow);
    expect(owner).toBe(bed.backendOf(flow));
    emptyTable();
    expect(send(flow, TCP_FLAGS.ack)).toBe(owner);
    expect(bed.counted()).toEqual({});
    ageRecent(bed.hand.memory('recent4'), SECOND);
    expect(send(flow, TCP_FLAGS.ack)).toBe(next(owner));
    expect(bed.counted()).toEqual({ EVENT_REMEMBERED: 1 });
  });

  it('is of one client port, and of one service', () => {
    bed.close();
    open({ hook, config: { recentMask: 0 } });
    const flow = bed.flow(4);
    const owner = begin(flow);
    emptyTable();
    const others = Array.from({ length: 16 }, (_, n) => bed.flow(4, 'tcp', flow.clientPort + 1 + n));
    const elsewhere = others.filter((other) => next(bed.backendOf(other)) !== owner);
    expect(elsewhere.length).toBeGreaterThan(4);
    for (const other of elsewhere) expect(send(other, TCP_FLAGS.ack)).toBe(next(bed.backendOf(other)));
    // No window is open for UDP. An oldest owner is remembered in the same way.
    for (const { clientPort } of elsewhere) {
      const datagram = bed.flow(4, 'udp', clientPort);
      expect(send(datagram, 0)).toBe(bed.backendOf(datagram));
    }
  });

  it.each(['generation', 'service'] as const)('does not lead to a backend of another %s', (field) => {
    const flow = bed.flow(4);
    const owner = begin(flow);
    emptyTable();
    const { view, at } = bed.hand.at('backends', 8 + owner);
    const backend = backendLayout.read(view, at);
    backendLayout.write(view, at, { ...backend, [field]: backend[field] + 1 });
    expect(send(flow, TCP_FLAGS.ack)).toBe(next(owner));
  });

  it('is of the connection that began last', () => {
    const flow = bed.flow(4);
    const owner = begin(flow);
    // The table names the backend after the next now, and the one before is the oldest.
    const third = next(next(owner));
    bed.hand.setSlots(
      8,
      OWNERS.map((slot) => next(next(slot)) | TRACKED),
    );
    expect(send(flow, TCP_FLAGS.syn)).toBe(third);
    expect(send(flow, TCP_FLAGS.ack)).toBe(third);
    expect(bed.counted()).toEqual({ EVENT_REMEMBERED: 1 });
  });

  it('ends when its flow is forgotten', () => {
    const flow = bed.flow(4);
    const owner = begin(flow);
    bed.hand.setSlots(
      8,
      OWNERS.map((slot) => next(slot) | TRACKED),
    );
    setOldest(OWNERS.map(next));
    expect(send(flow, TCP_FLAGS.syn)).toBe(next(owner));
    expect(send(flow, TCP_FLAGS.ack)).toBe(next(owner));
    expect(copies()).toEqual([]);
  });

  it('of two writers at once is nobody’s', () => {
    const flow = bed.flow(4);
    const isElsewhere = (other: Flow) => bed.backendOf(other) !== bed.backendOf(flow);
    const others = Array.from({ length: 9 }, (_, n) => bed.flow(4, 'tcp', 40_001 + n));
    const flows = [flow, others.find(isElsewhere) as Flow];
    const owners = flows.map(begin);
    emptyTable();
    const [first, second] = copies();
    if (first === undefined || second === undefined) throw new Error('a flow has no copy');
    const { view } = bed.hand.at('recent4', 0);
    recentLayout.write(view, first.at, { check: first.check, word: second.word });
    recentLayout.write(view, second.at, { check: second.check, word: first.word });
    expect(flows.map((flow) => send(flow, TCP_FLAGS.ack))).toEqual(owners.map(next));
  });

  it('takes no place of a flow that was seen within the last second', () => {
    bed.close();
    open({ hook, config: { recentMask: 0 } });
    const flows = Array.from({ length: RECENT_EACH_LINE + 2 }, (_, n) => bed.flow(4, 'tcp', 40_000 + n));
    const owners = flows.map(begin);
    expect(copies()).toHaveLength(RECENT_EACH_LINE);
    const held = copies();
    expect(flows.map((flow) => send(flow, TCP_FLAGS.ack))).toEqual(owners);
    expect(copies()).toEqual(held);
    ageRecent(bed.hand.memory('recent4'), SECOND);
    const last = flows.at(-1) as Flow;
    expect(send(last, TCP_FLAGS.ack)).toBe(owners.at(-1));
    emptyTable();
    expect(send(last, TCP_FLAGS.ack)).toBe(owners.at(-1));
  });
});
