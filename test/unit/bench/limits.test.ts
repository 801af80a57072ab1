import { describe, expect, it } from 'vitest';
import { REFERENCE_PARSE_LRU_NS, referenceLimit, scaledToMachine } from '../../bench/limits.ts';

describe('limits', () => {
  it('hold as they are on a machine like the reference', () => {
    expect(scaledToMachine(70, REFERENCE_PARSE_LRU_NS)).toBe(70);
  });

  it('grow and shrink with what parsing and a lookup cost', () => {
    expect(scaledToMachine(70, 52)).toBe(140);
    expect(scaledToMachine(8, 13)).toBe(4);
  });

  it('need a floor that costs something', () => {
    for (const floor of [0, -1, Number.NaN]) {
      expect(() => scaledToMachine(70, floor)).toThrow("can't cost");
    }
  });

  it('are limits for one flow and goals for many', () => {
    expect(referenceLimit('snat-forward', 1)).toEqual({ ns: 70, kind: 'limit' });
    expect(referenceLimit('snat-reply', 1)).toEqual({ ns: 30, kind: 'limit' });
    expect(referenceLimit('pass', 1)).toEqual({ ns: 8, kind: 'limit' });
    expect(referenceLimit('snat-forward', 65536)).toEqual({ ns: 110, kind: 'goal' });
  });

  it('exist only for what is measured', () => {
    expect(() => referenceLimit('pass', 524288)).toThrow('no limit is known for pass with 524288 flows');
  });
});
