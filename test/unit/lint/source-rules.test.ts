import { describe, expect, it } from 'vitest';
import { forbiddenWords, longFiles, longFunctions, structsDefinedTwice } from '../../lint/source-rules.ts';

const file = (text: string, path = 'bpf/a.h') => ({ path, text });
const lines = (count: number, line = '\tx++;') => `${line}\n`.repeat(count);

describe('longFiles', () => {
  it('allows 400 lines and finds 401', () => {
    expect(longFiles([file(lines(400))])).toEqual([]);
    expect(longFiles([file(lines(401))])).toHaveLength(1);
  });
});

describe('longFunctions', () => {
  const body = (count: number) => `static int f(int a,\n\t     int b)\n{\n${lines(count)}}\n`;

  it('counts from the signature to the closing brace', () => {
    expect(longFunctions([file(body(56))])).toEqual([]);
    const [finding] = longFunctions([file(body(57))]);
    expect(finding).toMatchObject({ line: 1, message: expect.stringContaining('61 lines') });
  });

  it('does not take structs and initialisers for functions', () => {
    expect(longFunctions([file(`struct big {\n${lines(100, '\tint a;')}};\n`)])).toEqual([]);
  });

  it('looks at every function of a file', () => {
    expect(longFunctions([file(`${body(3)}\n${body(80)}`)])).toHaveLength(1);
  });
});

describe('structsDefinedTwice', () => {
  it('finds a second definition in another file and says where the first is', () => {
    const findings = structsDefinedTwice([
      file('struct flow {\n};\n', 'bpf/types.h'),
      file('\nstruct flow {\n};\n', 'native/x.c'),
    ]);
    expect(findings).toEqual([
      { path: 'native/x.c', line: 2, message: 'struct flow is defined in bpf/types.h:1 too' },
    ]);
  });

  it('leaves declarations and uses alone', () => {
    expect(structsDefinedTwice([file('struct flow {\n};\nstruct flow;\nstruct flow *f(void);\n')])).toEqual(
      [],
    );
  });
});

describe('forbiddenWords', () => {
  it.each([
    ['// TO' + 'DO: later', 'unfinished'],
    ['see iss' + 'ue #12', 'look up'],
    ['cd /wo' + 'rk/main', 'one machine'],
    ['https://registry' + '.example.org/x', 'registry'],
  ])('finds %s', (text, why) => {
    expect(forbiddenWords([file(text)])[0]?.message).toContain(why);
  });

  it.each(['a BGP session', 'the issue is', '/usr/bin/bird', 'frame/work/x', 'todo list of operators'])(
    'allows %s',
    (text) => {
      expect(forbiddenWords([file(text)])).toEqual([]);
    },
  );
});
