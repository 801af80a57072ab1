import type { RunCommand } from '../../../src/node/run-command.ts';

export interface FakeAnswer {
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Answers by the beginning of the command line; what is not known is an error of the test. */
export function fakeRun(
  answers: Readonly<Record<string, FakeAnswer | ((args: readonly string[], input: string) => FakeAnswer)>>,
): RunCommand & { readonly calls: string[] } {
  const calls: string[] = [];
  const run = async (program: string, args: readonly string[], input = '') => {
    const line = [program, ...args].join(' ');
    calls.push(input === '' ? line : `${line} < ${input.trim().replaceAll('\n', '; ')}`);
    const key = Object.keys(answers)
      .filter((start) => line.startsWith(start))
      .sort((a, b) => b.length - a.length)[0];
    const answer = key === undefined ? undefined : answers[key];
    if (answer === undefined) throw new Error(`unexpected command: ${line}`);
    const {
      code = 0,
      stdout = '',
      stderr = '',
    } = typeof answer === 'function' ? answer(args, input) : answer;
    return { code, stdout, stderr };
  };
  return Object.assign(run, { calls });
}
