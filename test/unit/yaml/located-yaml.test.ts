import { describe, expect, test } from 'vitest';
import { parseYaml } from '../../../src/yaml/located-yaml.ts';

const TEXT = `# comment
a:
  - x
  - b: 1
    c: &anchor
      d: 2
e: *anchor
`;

describe('lineOf', () => {
  test.each<[Array<string | number>, number]>([
    [[], 2],
    [['a'], 2],
    [['a', 0], 3],
    [['a', 1], 4],
    [['a', 1, 'b'], 4],
    [['a', 1, 'c', 'd'], 6],
    [['e'], 7],
    // Behind an alias: where the anchor is.
    [['e', 'd'], 6],
    // Not there: the innermost thing around it.
    [['a', 1, 'z'], 4],
    [['a', 9], 2],
    [['z', 'z'], 2],
  ])('%j', (path, line) => expect(parseYaml(TEXT)[0]?.lineOf(path)).toBe(line));
});

test.each<[string, unknown]>([
  ['a: 2024-05-01', { a: '2024-05-01' }],
  ['a: yes', { a: 'yes' }],
  ['a: 0x10', { a: 16 }],
  ['80: a', { '80': 'a' }],
  ['x: &m {a: 1}\ny: {<<: *m, b: 2}', { x: { a: 1 }, y: { a: 1, b: 2 } }],
  ['__proto__: {a: 1}', JSON.parse('{"__proto__": {"a": 1}}')],
])('%j', (text, value) => expect(parseYaml(text)[0]?.value).toEqual(value));

test.each<[string, number, RegExp]>([
  ['a: 1\nb: 2\na: 3\n', 3, /"a" is there twice/],
  ['a: {b: 1,\n b: 2}', 2, /"b" is there twice/],
  ['{"a": 1, "a": 2}', 1, /"a" is there twice/],
  ['a: [1\nb: 2\n', 2, /./],
  ['a: *nobody', 1, /alias/],
  ['\ta: 1', 1, /tab/i],
  ['- '.repeat(5000), 1, /nested too deep/],
])('%j has an error in line %i', (text, line, message) => {
  const [document] = parseYaml(text);
  expect(document?.value).toBeUndefined();
  expect(document?.errors[0]?.line).toBe(line);
  expect(document?.errors[0]?.message).toMatch(message);
});
