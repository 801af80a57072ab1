import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decideLease,
  type LeaseMemory,
  type LeaseRecord,
  type LeaseTerms,
  leads,
  noteLease,
  noteRenewal,
  releasedRecord,
} from '../../../src/controller/decide-lease.ts';

const ME: LeaseTerms = { identity: 'me', duration: 15_000 };
const record = (changes: Partial<LeaseRecord> = {}): LeaseRecord => ({
  holder: 'other',
  durationSeconds: 15,
  acquireTime: 'then',
  renewTime: 'r1',
  transitions: 4,
  ...changes,
});

describe('decideLease', () => {
  test.each<[string, LeaseMemory, number, unknown]>([
    ['there is none', { since: 0 }, 5, { do: 'create', record: { holder: 'me', transitions: 0 } }],
    [
      'nobody holds it',
      { record: record({ holder: '' }), since: 0 },
      0,
      { do: 'update', record: { transitions: 5 } },
    ],
    ['another holds it', { record: record(), since: 0 }, 1_000, { do: 'wait', ms: 2_500 }],
    ['it runs out soon', { record: record(), since: 0 }, 14_000, { do: 'wait', ms: 1_000 }],
    [
      'it has run out',
      { record: record(), since: 0 },
      15_000,
      { do: 'update', record: { holder: 'me', transitions: 5 } },
    ],
    [
      'by the duration of the holder',
      { record: record({ durationSeconds: 60 }), since: 0 },
      15_000,
      { do: 'wait' },
    ],
    [
      'it is ours',
      { record: record({ holder: 'me' }), since: 0, renewedAt: 0 },
      99_000,
      { do: 'update', record: { holder: 'me', transitions: 4, acquireTime: 'then', renewTime: 'now' } },
    ],
  ])('%s', (_, memory, now, expected) => {
    expect(decideLease(memory, ME, now, 'now')).toMatchObject(expected as object);
  });

  test('a record that is renewed is counted from the renewal, by our own clock', () => {
    const first = noteLease({ since: 0 }, record(), 1_000);
    expect(first.since).toBe(1_000);
    expect(noteLease(first, record(), 9_000)).toBe(first);
    expect(noteLease(first, record({ renewTime: 'r2' }), 9_000).since).toBe(9_000);
  });

  test('we lead by our own renewals only, and stop before others may begin', () => {
    const memory = noteRenewal(record({ holder: 'me' }), 1_000);
    expect(leads(memory, ME, 10_999)).toBe(true);
    expect(leads(memory, ME, 11_000)).toBe(false);
    expect(leads(noteLease({ since: 0 }, record({ holder: 'me' }), 0), ME, 1)).toBe(false);
    expect(leads(noteLease(memory, record(), 2_000), ME, 2_000)).toBe(false);
    expect(releasedRecord(record({ holder: 'me' }), 'end')).toMatchObject({ holder: '', durationSeconds: 1 });
  });
});

/** A Lease with versions as the server keeps them, and agents whose requests may fail, be late, or both. */
const event = fc.record({
  agent: fc.nat(2),
  pass: fc.nat(6_000),
  /** The answer is lost on its way. */
  lost: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  /** The request is not made. */
  cut: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

test('at no time do two lead, whatever is lost and however long anybody is away', () => {
  let takeovers = 0;
  fc.assert(
    fc.property(fc.array(event, { minLength: 30, maxLength: 80 }), (events) => {
      let now = 0;
      let stored: { record: LeaseRecord; version: number } | undefined;
      const agents = [0, 1, 2].map((id) => ({
        terms: { identity: `agent-${id}`, duration: 9_000 },
        memory: { since: 0 } as LeaseMemory,
        version: 0,
      }));
      for (const { agent, pass, lost, cut } of events) {
        now += pass;
        const me = agents[agent];
        if (me === undefined || cut) continue;
        if (!leads(me.memory, me.terms, now)) {
          me.memory = noteLease(me.memory, stored?.record, now);
          me.version = stored?.version ?? 0;
        }
        const action = decideLease(me.memory, me.terms, now, `t${now}`);
        if (action.do !== 'wait' && me.version === (stored?.version ?? 0)) {
          if (stored !== undefined && stored.record.holder !== action.record.holder) takeovers += 1;
          stored = { record: action.record, version: (stored?.version ?? 0) + 1 };
          if (!lost) {
            me.memory = noteRenewal(action.record, now);
            me.version = stored.version;
          }
        } else if (action.do !== 'wait') {
          me.memory = noteLease(me.memory, stored?.record, now);
          me.version = stored?.version ?? 0;
        }
        expect(agents.filter(({ memory, terms }) => leads(memory, terms, now)).length).toBeLessThan(2);
      }
    }),
    { numRuns: 2_000 },
  );
  // Else the test is of nothing.
  expect(takeovers).toBeGreaterThan(500);
}, 60_000);
