/** Which socket, which pinned maps, which runtime directory: option, then --config, then environment, then default. */
import type { Config } from '../config/config.ts';
import type { NodeConfig } from '../config/node-config.ts';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';

/** As in the agent's configuration; a test compares the two, because reading that one takes zod. */
export const DEFAULT_RUNTIME_DIRECTORY = '/run/l4lb';
export const DEFAULT_BPF_DIRECTORY = '/sys/fs/bpf/l4lb';

export interface LocationOptions {
  readonly socket?: string;
  readonly bpfDirectory?: string;
  readonly runtimeDirectory?: string;
  readonly config?: string;
}

export interface Locations {
  /** What --config says of an LB node; undefined without it, and on a worker. */
  readonly config?: Config;
  readonly socket: string;
  readonly bpfDirectory: string;
  readonly runtimeDirectory: string;
}

export async function locate(
  options: LocationOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Locations> {
  const config = options.config === undefined ? undefined : await readConfig(options.config);
  // A directory given on the command line moves the socket with it, whatever the file says.
  const socketOfConfig = options.runtimeDirectory === undefined ? config?.api.socket : undefined;
  const runtimeDirectory =
    options.runtimeDirectory ??
    config?.runtimeDirectory ??
    (env.L4LB_RUNTIME_DIRECTORY || DEFAULT_RUNTIME_DIRECTORY);
  const socketOfEnvironment =
    options.runtimeDirectory === undefined ? env.L4LB_SOCKET || undefined : undefined;
  return {
    ...(config !== undefined && 'snat' in config && { config }),
    runtimeDirectory,
    bpfDirectory:
      options.bpfDirectory ?? config?.bpfDirectory ?? (env.L4LB_BPF_DIRECTORY || DEFAULT_BPF_DIRECTORY),
    socket:
      options.socket ??
      socketOfConfig ??
      socketOfEnvironment ??
      `${runtimeDirectory.replace(/\/+$/, '')}/agent.sock`,
  };
}

async function readConfig(path: string): Promise<Config | NodeConfig> {
  const { loadConfigOfAnyRole } = await import('../config/parse-node-config.ts');
  try {
    return loadConfigOfAnyRole(path);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CliError(
      EXIT.usage,
      message,
      'Correct the file, or give --socket, --bpf-directory and --runtime-directory instead of --config.',
      { cause: error },
    );
  }
}
