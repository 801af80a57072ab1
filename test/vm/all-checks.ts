/** Every check of the VM, in the order they run. A new one is added here, and nowhere else. */
import type { Check } from './check.ts';
import { bareHostChecks } from './checks/bare-host.ts';
import { forwardingChecks } from './checks/forwarding.ts';
import { lossyPathChecks } from './checks/lossy-path.ts';
import { programChecks } from './checks/programs.ts';
import { survivalChecks } from './checks/survival.ts';
import { vipDeviceChecks } from './checks/vip-device.ts';
import { workerChecks } from './checks/workers.ts';
import type { VmBed } from './vm-bed.ts';

export const allChecks: ReadonlyArray<Check<VmBed>> = [
  ...programChecks,
  ...vipDeviceChecks,
  ...forwardingChecks,
  ...lossyPathChecks,
  ...bareHostChecks,
  ...workerChecks,
  // Last, because it ends the agent.
  ...survivalChecks,
];
