/** The node programs in the kernel, packet by packet: what comes out is compared byte by byte. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dropReason, nodeDropReason, nodeEvent } from '../../../src/layout/generated.ts';
import { ANSWER_CASES } from './answer-cases.ts';
import { type Hook, NodeBed } from './bed.ts';
import type { NodeCase } from './cases.ts';
import { DELIVER_CASES } from './deliver-cases.ts';
import { FLOW_CASES } from './flow-cases.ts';
import { ICMP_CASES } from './icmp-cases.ts';
import { NodeScene, testNodeConfig } from './scene.ts';

const CASES: readonly NodeCase[] = [...DELIVER_CASES, ...ANSWER_CASES, ...FLOW_CASES, ...ICMP_CASES];

/** Reasons of reading a packet that the node programs can have too. */
const READING = [
  'DROP_TRUNCATED',
  'DROP_BAD_HEADER',
  'DROP_UNKNOWN_PROTOCOL',
  'DROP_ICMP',
  'DROP_ICMP_NO_FLOW',
  'DROP_EXTENSION_HEADER',
];

describe.each(['xdp', 'tc'] as const)('%s', (hook: Hook) => {
  let bed: NodeBed;
  const reached = new Set<string>();
  beforeAll(() => {
    bed = new NodeBed(hook, testNodeConfig());
  });
  afterAll(() => bed?.close());

  for (const each of CASES) {
    for (const family of ['v4', 'v6'] as const) {
      if (each.only !== undefined && each.only !== family) continue;
      it(`${family}: ${each.name}`, () => {
        bed.reset();
        bed.checksumComplete = true;
        const scene = new NodeScene(bed, family);
        each.run(scene);
        for (const name of [...Object.keys(bed.drops()), ...Object.keys(bed.events())]) reached.add(name);
      });
    }
  }

  it('every drop reason and event was reached', () => {
    const names = [...Object.keys(nodeDropReason), ...Object.keys(nodeEvent), ...READING].filter(
      (name) => !['NODE_DROP_REASONS', 'NODE_EVENTS'].includes(name),
    );
    expect(READING.every((name) => name in dropReason)).toBe(true);
    expect(names.filter((name) => !reached.has(name))).toEqual([]);
  });
});
