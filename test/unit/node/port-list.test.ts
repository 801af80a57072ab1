import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatPortList,
  intersectPortLists,
  mergePortLists,
  type PortRange,
  parsePortList,
  subtractPortLists,
} from '../../../src/node/port-list.ts';

const rangeOf = fc
  .tuple(fc.nat(200), fc.nat(20))
  .map(([first, more]): PortRange => ({ first, last: first + more }));
const list = fc.array(rangeOf, { maxLength: 6 });

function ports(ranges: readonly PortRange[]): Set<number> {
  const all = new Set<number>();
  for (const { first, last } of ranges) for (let port = first; port <= last; port++) all.add(port);
  return all;
}

describe('port lists', () => {
  test.each([
    ['', ''],
    ['22', '22'],
    ['1024-2000,5', '5,1024-2000'],
    ['1-3,4,6-7,2-5', '1-7'],
    ['0-65535', '0-65535'],
  ])('%j is %j', (text, expected) => {
    expect(formatPortList(parsePortList(text))).toBe(expected);
  });

  test.each(['x', '5-4', '70000', '1-', '-1', '1--2'])('%j is refused', (text) => {
    expect(() => parsePortList(text)).toThrow(text.includes('-') ? /range|port/ : /port/);
  });

  test('merge, subtract and intersect are those of sets', () => {
    fc.assert(
      fc.property(list, list, (a, b) => {
        const [setA, setB] = [ports(a), ports(b)];
        expect(ports(mergePortLists(a, b))).toEqual(new Set([...setA, ...setB].sort((x, y) => x - y)));
        expect(ports(subtractPortLists(a, b))).toEqual(new Set([...setA].filter((port) => !setB.has(port))));
        expect(ports(intersectPortLists(a, b))).toEqual(new Set([...setA].filter((port) => setB.has(port))));
      }),
    );
  });

  test('what is printed is sorted, apart, and reads back', () => {
    fc.assert(
      fc.property(list, (ranges) => {
        const merged = mergePortLists(ranges, []);
        for (let i = 1; i < merged.length; i++) {
          expect(merged[i]?.first).toBeGreaterThan((merged[i - 1]?.last ?? 0) + 1);
        }
        expect(parsePortList(formatPortList(merged))).toEqual(merged);
      }),
    );
  });
});
