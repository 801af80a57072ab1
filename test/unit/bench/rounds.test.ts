import { describe, expect, it } from 'vitest';
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
  progress: () => {},
  pause: async () => {},
};

describe('rounds', () => {
  it('interleave the scenarios, each beside its empty program', async () => {
    const log: string[] = [];
    const a = scenario('a', [50, 51], [30], log);
    const b = scenario('b', [90, 80], [...Array(24).fill(40), 40, 40, 42, 42], log);
    const measured = await measureAll([a, b], { ...quietMachine, rounds: 2 });
    const round = (name: string) => [`warm ${name}`, `empty of ${name}`, name, `empty of ${name}`];
    const looks = (name: string) => Array(24).fill(`empty of ${name}`);
    expect(log).toEqual([
      ...[...looks('a'), ...looks('b')],
      ...[...round('a'), ...round('b'), ...round('a'), ...round('b')],
    ]);
    expect(measured.map(({ net }) => net)).toEqual([
      { median: 20.5, min: 20, max: 21 },
      { median: 44, min: 38, max: 50 },
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
  it('leaves out slices that are slow before or after, but proves them', () => {
    // The third and fourth look at the machine are slow: they spoil three slices.
    const made = scenario('a', [50, 90, 95, 91, 54], [20, 21, 40, 38, 20, 22], []);
    const sample = measureRound(made, { slices: 2, mostSlices: 10 });
    expect(sample).toEqual({ gross: 52, empty: 20.75, leftOut: 0.6, slowness: 1.1 });
    expect(made.counted).toEqual([5 * 5000]);
  });

  it('proves the iterations that keep the state too, and looks at the machine again after them', () => {
    const log: string[] = [];
    const made = scenario('a', [50], [30], log);
    const touches = [700, 0];
    const kept = { ...made, keep: () => touches.shift() as number };
    measureRound(kept, { slices: 2, mostSlices: 2 });
    expect(made.counted).toEqual([2 * 5000 + 700]);
    expect(log.filter((name) => name === 'empty of a')).toHaveLength(4);
  });

  it('ends on a machine that is never quiet, with the least slow slices', () => {
    const made = scenario('a', [90, 70, 80, 99], [40, 40, 32, 36, 60], []);
    const sample = measureRound(made, { slices: 4, mostSlices: 4 }, { emptyNs: 20 });
    expect(sample).toEqual({ gross: 80, empty: 34, leftOut: 0.75, slowness: 1.8 });
  });
});

describe('the choice of slices', () => {
  it('never looks at the result', () => {
    const slices = [
      { gross: 10, before: 20, after: 30 },
      { gross: 900, before: 20, after: 20 },
    ];
    expect(chooseSlices(slices, { emptyNs: 20 }, 1)).toEqual([slices[1]]);
  });
});
