/** What the demo prints: headings, explanations, commands with their output, verified facts, the summary. */
import { styleText } from 'node:util';

export interface Screen {
  write(text: string): void;
  /** A person looks at it: colours and a line that moves while waiting. */
  readonly terminal: boolean;
}

type Style = Parameters<typeof styleText>[0];

/** A fact that the summary repeats. */
export interface Finding {
  readonly what: string;
  readonly value: string;
}

/** An expectation of the demo that did not hold. */
export class Unexpected extends Error {
  override readonly name = 'Unexpected';
}

export class Narrator {
  readonly findings: Finding[] = [];
  #step = 0;
  #checks = 0;
  readonly #began: number;

  constructor(
    readonly screen: Screen,
    readonly now: () => number = Date.now,
  ) {
    this.#began = now();
  }

  /** How many expectations held so far. */
  get checks(): number {
    return this.#checks;
  }

  heading(title: string, explanation: string): void {
    this.#step++;
    this.#line('');
    this.#line(`${this.#style(['bold', 'cyan'], `${this.#step}. ${title}`)}`);
    for (const line of wrap(explanation, 92)) this.#line(`   ${this.#style('dim', line)}`);
  }

  /** A command and what it printed; `most` lines of it. */
  shown(command: string, output: string, most = 12): void {
    this.#line(`   ${this.#style('bold', `$ ${command}`)}`);
    const lines = output.replace(/^\n+|\s+$/g, '').split('\n');
    for (const line of lines.slice(0, most)) this.#line(`     ${line}`.trimEnd());
    if (lines.length > most)
      this.#line(`     ${this.#style('dim', `... ${lines.length - most} more lines`)}`);
  }

  table(rows: ReadonlyArray<readonly string[]>): void {
    for (const line of aligned(rows)) this.#line(`     ${line}`);
  }

  /** Says that it holds, or ends the demo. */
  verify(what: string, holds: boolean, otherwise = ''): void {
    if (!holds) throw new Unexpected(otherwise === '' ? what : `${what}: ${otherwise}`);
    this.#checks++;
    this.#line(`   ${this.#style('green', '✓')} ${what}`);
  }

  /** For the summary at the end. */
  found(what: string, value: string): void {
    this.findings.push({ what, value });
  }

  /** Runs something that takes a while; on a terminal the seconds count up meanwhile. */
  async during<T>(what: string, work: () => Promise<T>): Promise<{ result: T; ms: number }> {
    const began = this.now();
    const say = () =>
      this.screen.write(`\r   ${this.#style('dim', `· ${what} ${seconds(this.now() - began)}`)}`);
    const timer = this.screen.terminal ? setInterval(say, 100) : undefined;
    try {
      const result = await work();
      return { result, ms: this.now() - began };
    } finally {
      clearInterval(timer);
      if (timer !== undefined) this.screen.write('\r\x1b[K');
    }
  }

  /** A plain line. */
  note(text: string): void {
    this.#line(`   ${text}`);
  }

  failed(error: unknown): void {
    this.#line('');
    const text = error instanceof Error ? error.message : String(error);
    this.#line(`${this.#style(['bold', 'red'], '✗ The demo failed')}: ${text}`);
  }

  summary(): void {
    this.#line('');
    this.#line(
      this.#style(
        'bold',
        `Summary: ${this.#checks} expectations held in ${seconds(this.now() - this.#began)}`,
      ),
    );
    for (const line of aligned(this.findings.map(({ what, value }) => [what, value])))
      this.#line(`   ${line}`);
  }

  #line(text: string): void {
    this.screen.write(`${text}\n`);
  }

  #style(style: Style, text: string): string {
    return this.screen.terminal ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Milliseconds as people read them: `85 ms`, `1.4 s`. */
export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Columns side by side, two spaces apart; numbers to the right. */
export function aligned(rows: ReadonlyArray<readonly string[]>): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const number = (cell: string) => /^-?\d+([.,]\d+)?( ?%)?$/.test(cell);
  return rows.map((row) =>
    row
      .map((cell, at) => (number(cell) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Lines of at most `width` characters, broken at spaces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
