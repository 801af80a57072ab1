/** The files in the runtime directory, each with one owner in the code. */
import { join } from 'node:path';

export interface RuntimeFiles {
  /** Locked by the running agent, holds its process id. */
  readonly lock: string;
  /** There while the node is drained; survives the agent. */
  readonly drained: string;
  /** The hash seed when the configuration names no file. */
  readonly seed: string;
  /** Names of the services behind the indexes in the pinned maps. */
  readonly names: string;
  readonly sysctls: string;
  readonly vipDevice: string;
  readonly neighbours: string;
}

export function runtimeFiles(runtimeDirectory: string): RuntimeFiles {
  const at = (name: string): string => join(runtimeDirectory, name);
  return {
    lock: at('agent.lock'),
    drained: at('drained'),
    seed: at('hash-seed'),
    names: at('names.json'),
    sysctls: at('sysctls.json'),
    vipDevice: at('vip-device.json'),
    neighbours: at('neighbours.json'),
  };
}
