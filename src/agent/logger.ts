/** Structured logs: JSON lines, and short lines for people on a terminal. */
import { type Logger, type LoggerOptions, pino } from 'pino';

const RESERVED = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'node', 'err']);

/** One log record as `12:34:56.789 info  message key=value`. */
export function formatForPeople(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const time = new Date(Number(record.time)).toISOString().slice(11, 23);
  const level = (pino.levels.labels[Number(record.level)] ?? '?').padEnd(5);
  const rest = Object.entries(record)
    .filter(([key]) => !RESERVED.has(key))
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  const error = record.err as { message?: string } | undefined;
  const failure = error?.message === undefined ? '' : `: ${error.message}`;
  return `${time} ${level} ${String(record.msg ?? '')}${failure}${rest}\n`;
}

/** Logs to standard output. `pretty` when a person reads it. */
export function makeLogger(node: string, level: string, pretty = process.stdout.isTTY === true): Logger {
  const options: LoggerOptions = { level, base: { node } };
  if (!pretty) return pino(options);
  return pino(options, { write: (line: string) => void process.stdout.write(formatForPeople(line)) });
}
