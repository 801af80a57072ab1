import { describe, expect, test } from 'vitest';
import type { FlowState } from '../../model/state.ts';
import {
  chooseTracked,
  type FlowPacket,
  type RememberedFlow,
  type TrackedService,
} from '../../model/tracked.ts';

const T = 0x8000;
const NOW = 100_000;
/** One slot for all hashes: backend 11 has it, 10 had it. */
const OPEN: TrackedService = {
  hasAffinity: false,
  table: { slots: [1 | T], block: 10 },
  oldest: { slots: [0], block: 10 },
  windowStart: NOW - 50,
  window: 100,
};
const SYN: FlowPacket = {
  hash: 5,
  flow: 'f',
  client: 'c',
  protocol: 'TCP',
  syn: true,
  fin: false,
  rst: false,
  sequence: 7,
};
const DATA = { ...SYN, syn: false };
const FLIPPED = { ...OPEN, windowStart: NOW - 101 };
const CLIENT = { ...OPEN, hasAffinity: true };

interface Given {
  readonly entries?: Record<string, Partial<RememberedFlow>>;
  readonly states?: Record<number, string>;
  readonly tokens?: boolean;
  readonly capacity?: number;
}

function choose(service: TrackedService, packet: FlowPacket, given: Given = {}) {
  const { entries = {}, states = {}, tokens = true, capacity = 10 } = given;
  const remembered = new Map<string | number, RememberedFlow>(
    Object.entries(entries).map(([name, entry]) => [
      name,
      { backend: 12, generation: 1, state: 'FLOW_ESTABLISHED', isn: 7, seen: NOW - 10, ...entry },
    ]),
  );
  const timeout = { FLOW_SYN: 50, FLOW_ESTABLISHED: 500, FLOW_UDP: 50, FLOW_CLOSED: 50 } as Record<
    FlowState,
    number
  >;
  const choice = chooseTracked(
    {
      now: NOW,
      hz: 10,
      timeout,
      remembered,
      capacity,
      backend: (index) => ({ generation: 1, state: states[index] ?? 'BACKEND_ACTIVE' }),
      takeToken: () => tokens,
    },
    service,
    packet,
  );
  const kept = Object.fromEntries(
    [...remembered].map(([name, { backend, state }]) => [name, [backend, state]]),
  );
  return { ...choice, kept };
}

describe('in the window', () => {
  test.each<[string, TrackedService, FlowPacket, Given, object]>([
    [
      'a SYN goes to the owner and is remembered',
      OPEN,
      SYN,
      {},
      { backend: 11, kept: { f: [11, 'FLOW_SYN'] } },
    ],
    [
      'other packets go to the oldest owner',
      OPEN,
      DATA,
      {},
      { backend: 10, kept: { f: [10, 'FLOW_ESTABLISHED'] } },
    ],
    ['a known flow stays', OPEN, DATA, { entries: { f: {} } }, { backend: 12 }],
    [
      'a known flow whose backend began another life does not',
      OPEN,
      DATA,
      { entries: { f: { generation: 2 } } },
      { backend: 10, kept: { f: [10, 'FLOW_ESTABLISHED'] } },
    ],
    [
      'a SYN sent again stays',
      OPEN,
      SYN,
      { entries: { f: { state: 'FLOW_SYN' } } },
      { backend: 12, rule: 'retransmission' },
    ],
    [
      'a SYN of another sequence number chooses anew',
      OPEN,
      SYN,
      { entries: { f: { state: 'FLOW_SYN', isn: 8 } } },
      { backend: 11, kept: { f: [11, 'FLOW_SYN'] } },
    ],
    [
      'without a token a SYN goes to the oldest owner',
      OPEN,
      SYN,
      { tokens: false },
      { backend: 10, event: 'EVENT_NOT_REMEMBERED', kept: {} },
    ],
    ['without room too', OPEN, SYN, { capacity: 0 }, { backend: 10, event: 'EVENT_NOT_REMEMBERED' }],
    ['the oldest owner is gone', OPEN, DATA, { states: { 10: 'BACKEND_FREE' } }, { backend: 11, kept: {} }],
    [
      'an owner that drains takes no connection',
      OPEN,
      SYN,
      { states: { 11: 'BACKEND_DRAINING' } },
      { backend: undefined },
    ],
    [
      'FIN is noted',
      OPEN,
      { ...DATA, fin: true },
      { entries: { f: {} } },
      { kept: { f: [12, 'FLOW_FIN_CLIENT'] } },
    ],
    [
      'RST is noted',
      OPEN,
      { ...DATA, rst: true },
      { entries: { f: {} } },
      { kept: { f: [12, 'FLOW_CLOSED'] } },
    ],
    [
      'a datagram goes to the oldest owner',
      OPEN,
      { ...DATA, protocol: 'UDP' },
      {},
      { backend: 10, kept: { f: [10, 'FLOW_UDP'] } },
    ],
  ])('%s', (_name, service, packet, given, expected) => {
    expect(choose(service, packet, given)).toMatchObject(expected);
  });
});

describe('after the flip', () => {
  test.each<[string, TrackedService, FlowPacket, Given, object]>([
    ['what is not remembered goes to the owner, and is not', FLIPPED, DATA, {}, { backend: 11, kept: {} }],
    ['without oldest owners too', { ...OPEN, oldest: undefined }, DATA, {}, { backend: 11, kept: {} }],
    ['what is remembered stays', FLIPPED, DATA, { entries: { f: {} } }, { backend: 12 }],
    ['unless it is idle', FLIPPED, DATA, { entries: { f: { seen: NOW - 501 } } }, { backend: 11 }],
    ['a SYN forgets it', FLIPPED, SYN, { entries: { f: {} } }, { backend: 11, kept: {} }],
    [
      'a client stays',
      { ...FLIPPED, hasAffinity: true },
      SYN,
      { entries: { c: {} } },
      { backend: 12, rule: 'flipped: the client is remembered', kept: { f: [12, 'FLOW_SYN'] } },
    ],
    [
      'a client stays only where there is memory for the connection',
      { ...FLIPPED, hasAffinity: true },
      SYN,
      { entries: { c: {} }, tokens: false },
      { backend: 11, event: 'EVENT_NOT_REMEMBERED' },
    ],
    [
      'packets of a connection ask for the connection only',
      { ...FLIPPED, hasAffinity: true },
      DATA,
      { entries: { c: {} } },
      { backend: 11 },
    ],
  ])('%s', (_name, service, packet, given, expected) => {
    expect(choose(service, packet, given)).toMatchObject(expected);
  });
});

describe('affinity in the window', () => {
  const drains = { states: { 10: 'BACKEND_DRAINING' } };
  test.each<[string, FlowPacket, Given, object]>([
    ['a SYN goes to the oldest owner', SYN, {}, { backend: 10, kept: { f: [10, 'FLOW_SYN'] } }],
    [
      'or, when that drains, to the owner, with the client',
      SYN,
      drains,
      { backend: 11, kept: { f: [11, 'FLOW_SYN'], c: [11, 'FLOW_ESTABLISHED'] } },
    ],
    ['a SYN follows the client', SYN, { entries: { c: {} } }, { backend: 12, rule: 'SYN after the client' }],
    [
      'not to a backend that drains',
      SYN,
      { entries: { c: {} }, states: { 12: 'BACKEND_DRAINING' } },
      { backend: 10 },
    ],
    ['other packets do not', DATA, { entries: { c: {} } }, { backend: 10 }],
    [
      'a datagram does',
      { ...DATA, protocol: 'UDP' },
      { entries: { c: {} } },
      { backend: 12, rule: 'datagram after the client' },
    ],
  ])('%s', (_name, packet, given, expected) => {
    expect(choose(CLIENT, packet, given)).toMatchObject(expected);
  });
});

test('a slot that is not tracked, and a service without a table', () => {
  const plain = { ...OPEN, table: { slots: [1], block: 10 } };
  expect(choose(plain, DATA, { entries: { f: {} } })).toMatchObject({ backend: 11, rule: 'hash alone' });
  expect(choose({ ...OPEN, table: undefined }, DATA)).toMatchObject({ backend: undefined, rule: 'no table' });
});
