import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideAnnouncement } from '../../../src/agent/decide-announcement.ts';

const [yes, no] = [true, false];

describe('announce or withdraw', () => {
  test.each([
    // drained, devices attached, applied, services -> device, reason
    [no, yes, yes, 3, 'up', 'serving'],
    [no, yes, no, 3, 'leave', 'not-synced'], // a restart: the maps go on serving
    [no, yes, no, 0, 'down', 'not-synced'], // a fresh node
    [no, yes, yes, 0, 'down', 'no-services'],
    [no, no, yes, 3, 'down', 'unhealthy'],
    [no, no, no, 3, 'down', 'unhealthy'],
    [yes, yes, yes, 3, 'down', 'drained'],
    [yes, no, no, 0, 'down', 'drained'],
  ] as const)('drained %s, attached %s, applied %s, %i services: %s', (...row) => {
    const [drained, devicesAttached, applied, services, device, reason] = row;
    expect(decideAnnouncement({ drained, devicesAttached, applied, services })).toEqual({ device, reason });
  });

  test('up is only what can be served', () => {
    fc.assert(
      fc.property(
        fc.record({
          drained: fc.boolean(),
          devicesAttached: fc.boolean(),
          applied: fc.boolean(),
          services: fc.nat(3),
        }),
        (facts) => {
          const { device } = decideAnnouncement(facts);
          const servable = !facts.drained && facts.devicesAttached && facts.services > 0;
          expect(device === 'up').toBe(servable && facts.applied);
          if (!servable) expect(device).toBe('down');
        },
      ),
    );
  });
});
