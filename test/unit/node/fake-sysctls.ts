import type { Sysctls } from '../../../src/node/sysctl.ts';

/** Settings in memory; `onWrite` may throw to end the agent at that point. */
export function fakeSysctls(
  initial: Record<string, string>,
  onWrite: (path: string) => void = () => undefined,
): Sysctls & { readonly values: Map<string, string> } {
  const values = new Map(Object.entries(initial));
  return {
    values,
    read: (path) => values.get(path),
    write(path, value) {
      onWrite(path);
      if (!values.has(path)) return false;
      values.set(path, value);
      return true;
    },
  };
}
