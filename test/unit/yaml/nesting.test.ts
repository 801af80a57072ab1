import { describe, expect, test } from 'vitest';
import { isNestedTooDeep, MAX_FLOW_DEPTH, MAX_INDENT } from '../../../src/yaml/nesting.ts';

const flow = (depth: number) => `${'[{a: '.repeat(depth / 2)}x${'}]'.repeat(depth / 2)}`;

describe('too deep', () => {
  test.each([
    ['flow', flow(MAX_FLOW_DEPTH + 2)],
    ['flow that never ends', '['.repeat(100_000)],
    ['closers inside quotes do not count', '["]", '.repeat(MAX_FLOW_DEPTH + 1)],
    ['block lists on one line', `${'- '.repeat(50_000)}x`],
    ['block maps', Array.from({ length: MAX_INDENT + 2 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['explicit keys', '? '.repeat(MAX_INDENT)],
    ['in the second document', `a: 1\n---\n${flow(MAX_FLOW_DEPTH + 2)}`],
  ])('%s', (_, text) => expect(isNestedTooDeep(text)).toBe(true));
});

describe('not too deep', () => {
  test.each([
    ['flow', flow(MAX_FLOW_DEPTH)],
    ['many small ones', '- [{a: [1]}]\n'.repeat(1000)],
    ['openers in quotes', `a: "${'['.repeat(1000)}"\nb: '${'{'.repeat(1000)}'`],
    ['openers in plain text', `a: x${'['.repeat(1000)}\n`],
    ['openers in a block of text', `a: |\n  ${'['.repeat(1000)}\n`],
    ['indented text', `a: |\n  x\n  ${' '.repeat(1000)}y\n`],
    ['a long rule in a comment', `# ${'-'.repeat(1000)}\n`],
    ['documents that each open a little', '[{a: 1}]\n---\n'.repeat(500)],
  ])('%s', (_, text) => expect(isNestedTooDeep(text)).toBe(false));
});
