import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LevelTrigger, type Timers } from '../../../src/node/level-trigger.ts';

/** Timers that fire when told. */
function manualTimers(): Timers & { readonly waiting: Array<{ ms: number; fire: () => void }> } {
  const waiting: Array<{ ms: number; fire: () => void }> = [];
  return {
    waiting,
    after(ms, callback) {
      const timer = { ms, fire: callback };
      waiting.push(timer);
      return () => {
        const at = waiting.indexOf(timer);
        if (at >= 0) waiting.splice(at, 1);
      };
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('level trigger', () => {
  test('events of one turn make one run, events during a run exactly one more', async () => {
    let runs = 0;
    let release: () => void = () => undefined;
    const trigger = new LevelTrigger({
      work: async () => {
        runs += 1;
        if (runs === 1) {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
      },
      onFailure: () => undefined,
    });
    for (let i = 0; i < 5; i++) void trigger.trigger();
    await settle();
    expect(runs).toBe(1);
    for (let i = 0; i < 5; i++) void trigger.trigger();
    release();
    await trigger.trigger();
    await settle();
    expect(runs).toBe(2);
  });

  test('who waits is done after the next run, though every run causes another', async () => {
    let ended = 0;
    const trigger: LevelTrigger = new LevelTrigger({
      work: async () => {
        await settle();
        ended += 1;
        void trigger.trigger();
      },
      onFailure: () => undefined,
    });
    await trigger.trigger();
    expect(ended).toBe(1);
    // In the middle of a run: that one may have begun before what this call is about.
    await trigger.trigger();
    expect(ended).toBe(3);
    await trigger.stop();
  });

  test('a failure is tried again, later each time up to the limit; success starts over', async () => {
    const timers = manualTimers();
    const waits: number[] = [];
    let fail = true;
    const trigger = new LevelTrigger({
      work: async () => {
        if (fail) throw new Error('no');
      },
      onFailure: (_error, ms) => waits.push(ms),
      timers,
      firstRetryMs: 100,
      lastRetryMs: 500,
    });
    await trigger.trigger();
    for (let i = 0; i < 4; i++) {
      timers.waiting.shift()?.fire();
      await settle();
    }
    expect(waits).toEqual([100, 200, 400, 500, 500]);
    fail = false;
    await trigger.trigger();
    expect(timers.waiting).toEqual([]);
    fail = true;
    await trigger.trigger();
    expect(waits.at(-1)).toBe(100);
  });

  test('after stop nothing runs, and stop waits for the run in progress', async () => {
    let ended = false;
    let runs = 0;
    const trigger = new LevelTrigger({
      work: async () => {
        runs += 1;
        await settle();
        ended = true;
      },
      onFailure: () => undefined,
    });
    void trigger.trigger();
    await Promise.resolve();
    await Promise.resolve();
    await trigger.stop();
    expect(ended).toBe(true);
    await trigger.trigger();
    await settle();
    expect(runs).toBe(1);
  });

  test('however events fall, the last run begins after the last event', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }), async (gaps) => {
        let level = 0;
        let seen = -1;
        const trigger = new LevelTrigger({
          work: async () => {
            const now = level;
            for (let i = 0; i < now % 3; i++) await Promise.resolve();
            seen = now;
          },
          onFailure: () => undefined,
        });
        for (const gap of gaps) {
          level += 1;
          void trigger.trigger();
          for (let i = 0; i < gap; i++) await Promise.resolve();
        }
        await settle();
        await settle();
        expect(seen).toBe(level);
      }),
    );
  });
});
