import { describe, expect, it } from 'vitest';
import { type Counted, type Expected, objections, ProofError } from '../../bench/proof.ts';

const nothing: Counted = {
  iterations: 0,
  notReached: 0,
  servicePacketsIn: 0,
  servicePacketsOut: 0,
  serviceFlows: 0,
  backendPacketsIn: 0,
  backendPacketsOut: 0,
  backendFlows: 0,
  drops: {},
  events: {},
};
const forward: Expected = { verdict: 3, packetsIn: 1, packetsOut: 0, newFlows: 0, allowedEvents: [] };
const forwarded: Counted = { ...nothing, iterations: 1000, servicePacketsIn: 1000, backendPacketsIn: 1000 };

describe('the proof of a path', () => {
  it('holds when every iteration was counted', () => {
    expect(objections(nothing, forwarded, 1000, forward, 3)).toEqual([]);
  });

  it('looks at what came since, not at what was there', () => {
    const before: Counted = { ...forwarded, drops: { DROP_NO_FLOW: 7 } };
    const after: Counted = {
      ...before,
      iterations: 1500,
      servicePacketsIn: 1500,
      backendPacketsIn: 1500,
    };
    expect(objections(before, after, 500, forward, 3)).toEqual([]);
  });

  it.each<[string, Partial<Counted>, string]>([
    ['a packet less for the service', { servicePacketsIn: 999 }, 'packets in, by service, counted 999'],
    ['a packet more for the backend', { backendPacketsIn: 1001 }, 'packets in, by backend, counted 1001'],
    ['packets the other way', { servicePacketsOut: 1 }, 'packets out, by service, counted 1, not 0'],
    ['answers of a backend', { backendPacketsOut: 2 }, 'packets out, by backend, counted 2, not 0'],
    ['a new flow', { serviceFlows: 1 }, 'new flows, by service, counted 1, not 0'],
    ['a new flow of a backend', { backendFlows: 1 }, 'new flows, by backend, counted 1, not 0'],
    ['a drop', { drops: { DROP_NO_FLOW: 1 } }, '1 packets were dropped as DROP_NO_FLOW'],
    ['an event', { events: { EVENT_TO_KERNEL: 3 } }, 'EVENT_TO_KERNEL was counted 3 times'],
    ['an iteration less', { iterations: 999 }, 'iterations counted 999, not 1000'],
    ['a frame that was not restored', { notReached: 1 }, 'did not reach the program counted 1'],
  ])('is refused by %s', (_, change, reason) => {
    const found = objections(nothing, { ...forwarded, ...change }, 1000, forward, 3);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(reason);
  });

  it('is refused by another verdict', () => {
    expect(objections(nothing, forwarded, 1000, forward, 2)).toEqual(['the last verdict was 2, not 3']);
  });

  it('lets through the events that the path is known for', () => {
    const after = { ...forwarded, events: { EVENT_SNAT_SHARED: 5 } };
    const expected = { ...forward, allowedEvents: ['EVENT_SNAT_SHARED'] };
    expect(objections(nothing, after, 1000, expected, 3)).toEqual([]);
  });

  it('says which scenario and why', () => {
    expect(new ProofError('snat-forward', ['a', 'b']).message).toBe(
      'snat-forward did not take its path, nothing was measured: a; b',
    );
  });
});
