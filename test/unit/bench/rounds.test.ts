import { describe, expect, it } from 'vitest';
import { startCanary } from '../../bench/canary.ts';
import { chooseSlices, measureAll, measureRound, type Scenario } from '../../bench/rounds.ts';

/** A wrapper whose runs take these times in turn, and then the last one for ever. */
function wrapperTaking(durations: number[], log: string[] = [], name = '') {
  return {
    run: () => {
      log.push(name);
      const durationNs = (durations.length > 1 ? durations.shift() : durations[0]) ?? 0;
      return { returnValue: 3, durationNs, data: Buffer.alloc(0) };
    },
  };
}

function scenario(label: string, gross: number[], empty: number[], log: string[], reasons: string[] = []) {
  const counted: number[] = [];
  const made: Scenario & { counted: number[] } = {
    label,
    iterations: 5000,
    wrapper: wrapperTaking(gross, log, label),
    empty: wrapperTaking(empty, log, `empty of ${label}`),
    warm: () => void log.push(`warm ${label}`),
    beginProof: () => (iterations) => {
      counted.push(iterations);
      return reasons;
    },
    counted,
  };
  return made;
}

const quietMachine = {
  rounds: 1,
  slices: 1,
  mostSlices: 10,
  canary: { slowness: () => 1 },
  progress: () => {},
  pause: async () => {},
};

describe('rounds', () => {
  it('interleave the scenarios, each beside its empty program', async () => {
    const log: string[] = [];
    const a = scenario('a', [50, 51], [30], log);
    const b = scenario('b', [90, 80], [40, 41], log);
    const measured = await measureAll([a, b], { ...quietMachine, rounds: 2 });
    const round = ['warm a', 'a', 'empty of a', 'warm b', 'b', 'empty of b'];
    expect(log).toEqual([...round, ...round]);
    expect(measured.map(({ net }) => net)).toEqual([
      { median: 20.5, min: 20, max: 21 },
      { median: 44.5, min: 39, max: 50 },
    ]);
  });

  it('end at the first scenario that did not take its path', async () => {
    const wrong = scenario('wrong', [50], [30], [], ['7 packets were dropped']);
    await expect(measureAll([wrong], quietMachine)).rejects.toThrow(
      'wrong did not take its path, nothing was measured: 7 packets were dropped',
    );
  });
});

describe('a round', () => {
  it('leaves out slices that are slow at their beginning or at their end, but proves them', () => {
    const slowness = [1.0, 1.8, 1.8, 1.0, 1.0, 1.05, 1.1, 1.0];
    const made = scenario('a', [90, 95, 50, 54], [30], []);
    const canary = { slowness: () => slowness.shift() as number };
    const sample = measureRound(made, { slices: 2, mostSlices: 10, canary });
    expect(sample).toEqual({ gross: 52, empty: 30, leftOut: 0.5, slowness: 1.1 });
    expect(made.counted).toEqual([4 * 5000]);
  });

  it('proves the iterations that keep the state too', () => {
    const made = scenario('a', [50], [30], []);
    const touches = [700, 0];
    const kept = { ...made, keep: () => touches.shift() as number };
    measureRound(kept, { slices: 2, mostSlices: 2, canary: { slowness: () => 1 } });
    expect(made.counted).toEqual([2 * 5000 + 700]);
  });

  it('ends on a machine that is never quiet, with the least slow slices', () => {
    const slowness = [2, 2, 1.6, 1.5, 1.9, 1.8, 3, 3];
    const made = scenario('a', [90, 70, 80, 99], [30], []);
    const canary = { slowness: () => slowness.shift() as number };
    const sample = measureRound(made, { slices: 4, mostSlices: 4, canary });
    expect(sample).toEqual({ gross: 70, empty: 30, leftOut: 0.75, slowness: 1.6 });
  });
});

describe('the choice of slices', () => {
  it('never looks at the result', () => {
    const slices = [
      { gross: 10, empty: 30, slowness: 1.5 },
      { gross: 900, empty: 30, slowness: 1.0 },
    ];
    expect(chooseSlices(slices, 1)).toEqual([slices[1]]);
  });
});

describe('the canary', () => {
  it('compares with the fastest it ever saw', () => {
    const canary = startCanary(wrapperTaking([99, ...Array(199).fill(22), 20, 40, 10, 20]));
    expect(canary.slowness()).toBe(2); // 40, the best was 20
    expect(canary.slowness()).toBe(1); // 10: a new best
    expect(canary.slowness()).toBe(2); // 20
  });
});
