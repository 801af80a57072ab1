/** How many slots of a table each backend gets. */

/**
 * Largest remainder (Hamilton): each backend gets the whole part of slots * weight / sum, and the slots
 * that are left go to the largest fractions, so that every quota differs from its exact share by less
 * than 1. Equal fractions: the first in the given order, which is the order of identities.
 *
 * Weights are integers of 0 or more. All zero: all quotas are zero, and there is no table.
 */
export function slotQuotas(weights: readonly number[], slots: number): Uint32Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const quotas = new Uint32Array(weights.length);
  if (sum === 0) return quotas;
  let left = slots;
  const remainders = weights.map((weight, index) => {
    const exact = slots * weight;
    const whole = Math.floor(exact / sum);
    quotas[index] = whole;
    left -= whole;
    return { index, remainder: exact - whole * sum };
  });
  remainders.sort((x, y) => y.remainder - x.remainder || x.index - y.index);
  for (const { index } of remainders.slice(0, left)) quotas[index] = (quotas[index] ?? 0) + 1;
  return quotas;
}
