/** Medians and spreads of repeated measurements. */

/** In the unit of the samples. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle sample, or the mean of the two middle ones. Throws for no sample or one that is no number. */
export function median(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError('median of no samples');
  if (samples.some((sample) => !Number.isFinite(sample))) {
    throw new RangeError(`a sample is not a number: ${samples.join(', ')}`);
  }
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

export function spreadOf(samples: readonly number[]): Spread {
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples) };
}

/**
 * Cost of a program alone: what it took behind the wrapper, less what the wrapper with an empty program
 * took in the same round. Rounds are paired, so that a slow round of the machine slows both; a net cost
 * below zero is noise and stays visible as such.
 */
export function netOf(gross: readonly number[], empty: readonly number[]): Spread {
  if (gross.length !== empty.length) {
    throw new RangeError(`${gross.length} rounds measured, but ${empty.length} of the empty program`);
  }
  return spreadOf(gross.map((sample, round) => sample - (empty[round] as number)));
}

/** Rounded to a tenth, which is more than the measurement holds. */
export function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

export function roundedSpread(spread: Spread): Spread {
  return { median: tenth(spread.median), min: tenth(spread.min), max: tenth(spread.max) };
}
