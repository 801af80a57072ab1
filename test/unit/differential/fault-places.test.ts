/** A fault whose place has moved is found out in a moment, not after the run of all those before it. */
import { expect, test } from 'vitest';
import { faultySource } from '../../differential/faults/compile-fault.ts';
import { DSR_FAULTS } from '../../differential/faults/dsr-faults.ts';
import { SNAT_FAULTS } from '../../differential/faults/snat-faults.ts';

test('every seeded fault has one place in the programs', () => {
  for (const fault of [...SNAT_FAULTS, ...DSR_FAULTS]) expect(faultySource(fault)).toContain(fault.to);
});
