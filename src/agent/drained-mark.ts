/** Whether an operator has drained the node. A file, so that it outlives the agent. */
import { existsSync, rmSync } from 'node:fs';
import { writeFileAtomic } from '../node/atomic-file.ts';

export interface DrainedMark {
  get(): boolean;
  set(drained: boolean): void;
}

export function drainedMark(file: string): DrainedMark {
  return {
    get: () => existsSync(file),
    set(drained) {
      if (drained) writeFileAtomic(file, 'drained by lbctl drain; lbctl undrain removes this file\n');
      else rmSync(file, { force: true });
    },
  };
}
