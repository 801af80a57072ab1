import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Where the compiled BPF objects and libl4lb.so are: `build/` beside `src/` or `dist/`, unless
 * L4LB_BUILD_DIR names another place.
 */
export function buildDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.L4LB_BUILD_DIR
    ? resolve(environment.L4LB_BUILD_DIR)
    : fileURLToPath(new URL('../../build', import.meta.url));
}

/** Path of a build product, e.g. `xdp.bpf.o`. */
export function buildProduct(name: string): string {
  return resolve(buildDirectory(), name);
}
