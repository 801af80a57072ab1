/** A watch's answer: one JSON object a line. */
import { brokenAnswer } from './api-failure.ts';

const NEWLINE = 0x0a;
/** etcd takes objects of 1.5 MiB; JSON of it is larger than what it stores. */
const MAX_LINE_BYTES = 16 * 2 ** 20;

/** Yields each line's value. Throws an ApiFailure for what is no JSON, and for an end within a line. */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      size = 0;
      if (line.trim() !== '') yield parseJson(line);
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > MAX_LINE_BYTES) throw brokenAnswer(`a line of more than ${MAX_LINE_BYTES} bytes`);
  }
  if (size > 0) throw brokenAnswer('it ended in the middle of an event');
}

/** The whole answer as one value, and its length in characters. Throws an ApiFailure if it is no JSON, as one cut short is not. */
export async function jsonBody(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly value: unknown; readonly length: number }> {
  const text = await textBody(chunks);
  return { value: parseJson(text), length: text.length };
}

export async function textBody(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw brokenAnswer(`no JSON, or cut short (${error instanceof Error ? error.message : String(error)})`);
  }
}
