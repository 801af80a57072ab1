/** An applier on the maps of a fake kernel. */
import { Applier } from '../../../src/dataplane/apply.ts';
import type { JiffiesClock } from '../../../src/dataplane/next-hop-table.ts';
import { kernelStores, type Stores } from '../../../src/dataplane/stores.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { FakeKernel } from './fake-kernel.ts';

export interface FakeApplierOptions {
  readonly clock: JiffiesClock;
  /** Default: those of the kernel. */
  readonly stores?: Stores;
  /** Milliseconds; 0: other work gets a turn after each step. */
  readonly slice?: number;
}

export function applierOn(kernel: FakeKernel, options: FakeApplierOptions): Applier {
  const { maps } = kernel;
  return new Applier({
    kernel,
    maps,
    stores: kernelStores(kernel as unknown as Kernel),
    agentNextHops: 96,
    ...options,
  });
}
