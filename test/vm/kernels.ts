/** The stock Debian kernels that the VM tests boot. */
export const VM_KERNELS = ['6.1', '6.12'] as const;

export type VmKernel = (typeof VM_KERNELS)[number];
