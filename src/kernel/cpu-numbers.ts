/** The kernel's list of CPUs that there may be until the next boot. */
export const POSSIBLE_CPUS = '/sys/devices/system/cpu/possible';

/** One more than the highest number of such a list (`0-3`, or `0,2-5`): numbers may be left out. */
export function cpuNumbersOf(list: string): number {
  const last = /(?:^|[,-])(\d+)$/.exec(list.trim())?.[1];
  if (last === undefined) {
    throw new Error(`${POSSIBLE_CPUS} says ${JSON.stringify(list)}, which is no list of CPUs`);
  }
  return Number(last) + 1;
}
