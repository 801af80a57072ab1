import { KernelError } from './kernel.ts';
import type { NativeCalls } from './native-calls.ts';
import { checked } from './native-result.ts';

/** See `Kernel.buildMaglevTable`; the algorithm is in native/maglev.c. */
export function buildMaglevTable(
  { l4lb }: NativeCalls,
  slots: number,
  hashes: BigUint64Array,
  quotas: Uint32Array,
): Uint16Array {
  const sum = quotas.reduce((total, quota) => total + quota, 0);
  if (hashes.length !== quotas.length * 2 || sum !== slots) {
    throw new KernelError(
      'EINVAL',
      `a Maglev table of ${slots} slots needs two hashes for each quota and quotas that sum to it, ` +
        `not ${hashes.length} hashes, ${quotas.length} quotas and a sum of ${sum}`,
    );
  }
  const table = new Uint16Array(slots);
  const result = l4lb.maglevBuild(slots, quotas.length, bytesOf(hashes), bytesOf(quotas), bytesOf(table));
  checked(result, `build a Maglev table of ${slots} slots for ${quotas.length} backends`);
  return table;
}

function bytesOf(array: BigUint64Array | Uint32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
