/** The node programs as loaded: what arrives on XDP or tc, and what leaves by tc, on the same maps. */
import { resolve } from 'node:path';
import type { LoadedPrograms } from '../dataplane/device-links.ts';
import { mapsDirectory } from '../dataplane/maps.ts';
import type { AttachMode, Kernel, LoadedObject } from '../kernel/kernel.ts';
import { type NodeProgramConfig, nodeMapSizes, nodeRodata } from './node-program-config.ts';

export interface NodePrograms {
  /** For what arrives. */
  incoming(mode: AttachMode): LoadedPrograms;
  /** For what leaves. */
  readonly outgoing: LoadedPrograms;
  /** Instructions that the verifier walked through, by program. */
  readonly verifiedInstructions: Readonly<Record<string, number>>;
  close(): void;
}

export interface LoadNodeProgramsOptions {
  readonly kernel: Pick<Kernel, 'loadObjectAside'>;
  /** Where node_xdp.bpf.o and node_tc.bpf.o are. */
  readonly buildDirectory: string;
  readonly bpfDirectory: string;
  readonly config: NodeProgramConfig;
  /** Jiffies a second. */
  readonly hz: number;
  readonly modes: readonly AttachMode[];
}

/** Throws a KernelError; `MAP_MISMATCH` when pinned maps have other sizes than the configuration asks for. */
export async function loadNodePrograms(options: LoadNodeProgramsOptions): Promise<NodePrograms> {
  const { kernel, buildDirectory, bpfDirectory, config, hz, modes } = options;
  const loaded = new Map<string, LoadedObject>();
  const close = (): void => {
    for (const object of loaded.values()) object.close();
  };
  const load = async (file: string, programName: string): Promise<void> => {
    const object = await kernel.loadObjectAside({
      objectPath: resolve(buildDirectory, file),
      programName,
      rodata: { node_config: nodeRodata(config, hz) },
      maxEntries: nodeMapSizes(config),
      pinDirectory: mapsDirectory(bpfDirectory),
    });
    loaded.set(programName, object);
  };
  try {
    await load('node_tc.bpf.o', 'node_out');
    if (modes.includes('tc')) await load('node_tc.bpf.o', 'node_in_tc');
    if (modes.some((mode) => mode !== 'tc')) await load('node_xdp.bpf.o', 'node_in_xdp');
  } catch (error) {
    close();
    throw error;
  }
  const program = (name: string): LoadedPrograms => {
    const object = loaded.get(name);
    if (object === undefined) throw new Error(`the program ${name} was not loaded`);
    return { fd: object.programFd, id: object.programId };
  };
  return {
    incoming: (mode) => program(mode === 'tc' ? 'node_in_tc' : 'node_in_xdp'),
    outgoing: program('node_out'),
    verifiedInstructions: Object.fromEntries(
      [...loaded].map(([name, { verifiedInstructions }]) => [name, verifiedInstructions]),
    ),
    close,
  };
}
