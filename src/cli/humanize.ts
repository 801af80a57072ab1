/** Numbers as people read them. The exact ones are in `-o json`. */

const DECIMAL = ['', 'K', 'M', 'G', 'T', 'P', 'E'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `9999`, `12.3 K`, `1.2 M`: exact to four digits, then powers of 1000 with at most one digit behind the point. */
export function formatCount(count: number): string {
  return Math.abs(count) < 10_000 ? String(Math.round(count)) : scale(count, 1000, DECIMAL);
}

/** `512 B`, `1.5 KiB`: powers of 1024. */
export function formatBytes(bytes: number): string {
  return scale(bytes, 1024, BINARY);
}

/** A share of 0..1 as `33.3 %`. What is more than nothing is never shown as `0.0 %`. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.0005) return '< 0.1 %';
  return `${(share * 100).toFixed(1)} %`;
}

/** A rate in events a second. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 1) return '< 1/s';
  return `${formatCount(Math.round(perSecond))}/s`;
}

/** `12s`, `5m30s`, `3h12m`, `2d4h`: the two largest units. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const units: ReadonlyArray<readonly [string, number]> = [
    ['d', Math.floor(whole / 86_400)],
    ['h', Math.floor(whole / 3_600) % 24],
    ['m', Math.floor(whole / 60) % 60],
    ['s', whole % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  if (first === -1) return '0s';
  return units
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count}${unit}`)
    .join('');
}

/** `1 backend`, `3 backends`. */
export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : several}`;
}

function scale(value: number, base: number, units: readonly string[]): string {
  let scaled = value;
  let unit = 0;
  // 999.95 would be rounded to 1000.0 of the smaller unit.
  while (Math.abs(scaled) >= base - 0.05 * (unit === 0 ? 0 : 1) && unit < units.length - 1) {
    scaled /= base;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(scaled) >= 99.95 ? 0 : 1;
  return `${scaled.toFixed(digits)} ${units[unit]}`.trimEnd();
}
