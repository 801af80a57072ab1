/**
 * Metrics with a series for each service or backend, as text of the exposition format. A registry would keep
 * an object for each of their hundred thousands; here each is written once, behind its metric's others.
 */
import { Buffer } from 'node:buffer';
import type { MetricDefinition } from './metric-table.ts';

/** Characters of one metric that wait to be encoded. */
const CHUNK_LENGTH = 2 ** 16;

export class SeriesText {
  readonly #name: string;
  /** Off the heap: megabytes of text are nothing for the collector to look at. */
  readonly #chunks: Buffer[] = [];
  #text: string;

  constructor({ name, help, type }: MetricDefinition) {
    this.#name = name;
    this.#text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** `labels` as labelText has written them. */
  add(labels: string, value: number): void {
    this.#text += `${this.#name}{${labels}} ${value}\n`;
    if (this.#text.length > CHUNK_LENGTH) this.#flush();
  }

  /** Everything, in order; nothing may be added after it. */
  *pieces(): Generator<Buffer> {
    this.#flush();
    yield* this.#chunks;
  }

  #flush(): void {
    this.#chunks.push(Buffer.from(this.#text));
    this.#text = '';
  }
}

/** `namespace="default",service="web"` */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join();
}

function escaped(value: string): string {
  return /[\\\n"]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
    : value;
}
