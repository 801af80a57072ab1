import { describe, expect, it } from 'vitest';
import { aligned, Narrator, seconds, wrap } from '../../demo/narrator.ts';

function screen(terminal: boolean) {
  const written: string[] = [];
  let time = 0;
  const narrator = new Narrator({ write: (text) => void written.push(text), terminal }, () => (time += 500));
  return { narrator, text: () => written.join('') };
}

describe('aligned', () => {
  it('puts numbers to the right and words to the left', () => {
    const rows = [
      ['pod', 'slots', 'share'],
      ['web-1', '7', '0.5 %'],
      ['w', '1025', '99.5 %'],
    ];
    expect(aligned(rows)).toEqual(['pod    slots  share', 'web-1      7   0.5 %', 'w       1025  99.5 %']);
  });

  it('takes an address for a word', () => {
    expect(aligned([['10.40.1.1'], ['10.40.1.153']])).toEqual(['10.40.1.1', '10.40.1.153']);
  });
});

describe('seconds', () => {
  it.each([
    [0, '0 ms'],
    [85.4, '85 ms'],
    [1000, '1.0 s'],
    [61_250, '61.3 s'],
  ])('says %d as %s', (ms, text) => expect(seconds(ms)).toBe(text));
});

describe('wrap', () => {
  it('breaks at spaces and keeps words that are too long whole', () => {
    expect(wrap('one two three incomprehensible', 9)).toEqual(['one two', 'three', 'incomprehensible']);
  });
});

describe('Narrator', () => {
  it('counts what held, and repeats findings in the summary', () => {
    const { narrator, text } = screen(false);
    narrator.heading('First', 'Because.');
    narrator.verify('water is wet', true);
    narrator.found('wetness', '100 %');
    narrator.summary();
    expect(text()).toContain('1. First\n   Because.\n   ✓ water is wet\n');
    expect(text()).toContain('Summary: 1 expectations held');
    expect(text()).toContain('   wetness  100 %\n');
  });

  it('ends at an expectation that does not hold, with what was seen', () => {
    const { narrator } = screen(false);
    expect(() => narrator.verify('the pod answers', false, 'connection refused')).toThrow(
      'the pod answers: connection refused',
    );
    expect(narrator.checks).toBe(0);
  });

  it('shows the head of a long output and says how much more there is', () => {
    const { narrator, text } = screen(false);
    narrator.shown('seq 5', '\n1\n2\n3\n4\n5\n', 2);
    expect(text()).toBe('   $ seq 5\n     1\n     2\n     ... 3 more lines\n');
  });

  it('colours on a terminal only', () => {
    const [plain, colour] = [screen(false), screen(true)];
    for (const { narrator } of [plain, colour]) narrator.verify('it', true);
    expect(plain.text()).not.toContain('\x1b');
    expect(colour.text()).toContain('\x1b[32m✓');
  });

  it('measures what it waits for, and passes errors on', async () => {
    const { narrator } = screen(false);
    expect(await narrator.during('work', async () => 7)).toEqual({ result: 7, ms: 500 });
    await expect(narrator.during('work', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
