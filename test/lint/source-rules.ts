/** Rules for sources that no linter here knows. Pure: from texts to findings. */

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 60;

/** Words that do not belong into a published source, in pieces so that this file passes its own rule. */
const FORBIDDEN: ReadonlyArray<readonly [pattern: RegExp, why: string]> = [
  [
    new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`),
    'unfinished work',
  ],
  [new RegExp('\\bissue' + ' #?\\d', 'i'), 'a number that readers cannot look up'],
  [/(?<![\w.])\/(?:work|home\/\w+|root)\//, 'a path of one machine'],
  [/registry\.\w+\.(?:org|com|io)/, 'a host of a package registry'],
];

export function longFiles(files: readonly SourceFile[]): Finding[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length;
    if (lines <= MAX_FILE_LINES) return [];
    return [
      { path, line: MAX_FILE_LINES + 1, message: `${lines} lines, at most ${MAX_FILE_LINES}: split it` },
    ];
  });
}

/**
 * Functions of C in kernel style: a line that starts with `{` opens a body, one that is `}` alone ends it.
 * The signature counts too.
 */
export function longFunctions(files: readonly SourceFile[]): Finding[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n');
    const findings: Finding[] = [];
    for (let open = lines.indexOf('{'); open >= 0; open = lines.indexOf('{', open + 1)) {
      const end = lines.indexOf('}', open);
      const start = signatureStart(lines, open);
      const length = end - start + 1;
      if (end < 0 || length <= MAX_FUNCTION_LINES) continue;
      const message = `a function of ${length} lines, at most ${MAX_FUNCTION_LINES}: ${lines[start]}`;
      findings.push({ path, line: start + 1, message });
    }
    return findings;
  });
}

/** The signature may span lines: those that continue it are indented. */
function signatureStart(lines: readonly string[], open: number): number {
  let start = open - 1;
  while (start > 0 && /^\s/.test(lines[start] ?? '')) start--;
  return Math.max(0, start);
}

/** A struct with a body under the same name twice, in one file or in two. */
export function structsDefinedTwice(files: readonly SourceFile[]): Finding[] {
  const first = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { path, text } of files) {
    text.split('\n').forEach((content, index) => {
      const name = /^\s*(?:typedef\s+)?struct\s+(\w+)\s*\{/.exec(content)?.[1];
      if (!name) return;
      const place = `${path}:${index + 1}`;
      const before = first.get(name);
      if (before)
        findings.push({ path, line: index + 1, message: `struct ${name} is defined in ${before} too` });
      else first.set(name, place);
    });
  }
  return findings;
}

export function forbiddenWords(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of files) {
    text.split('\n').forEach((content, index) => {
      for (const [pattern, why] of FORBIDDEN) {
        const found = pattern.exec(content)?.[0];
        if (found) findings.push({ path, line: index + 1, message: `'${found}' is ${why}` });
      }
    });
  }
  return findings;
}
