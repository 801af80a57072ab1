/** The lb programs as loaded: one for XDP, and one for tc when a device wants it, on the same maps. */
import { resolve } from 'node:path';
import type { AttachMode, BpfMap, Kernel, LoadedObject } from '../kernel/kernel.ts';
import type { LoadedPrograms } from './device-links.ts';
import { mapsDirectory } from './maps.ts';
import { type DataplaneConfig, mapSizes, type ProgramFacts, programRodata } from './program-config.ts';

export interface LbPrograms {
  readonly maps: ReadonlyMap<string, BpfMap>;
  of(mode: AttachMode): LoadedPrograms;
  /** Instructions that the verifier walked through, by program. */
  readonly verifiedInstructions: Readonly<Record<string, number>>;
  close(): void;
}

export interface LoadProgramsOptions {
  readonly kernel: Pick<Kernel, 'loadObjectAside'>;
  /** Where xdp.bpf.o and tc.bpf.o are. */
  readonly buildDirectory: string;
  readonly bpfDirectory: string;
  readonly config: DataplaneConfig;
  readonly facts: ProgramFacts;
  readonly modes: readonly AttachMode[];
}

/** Throws a KernelError; `MAP_MISMATCH` when pinned maps have other sizes than the configuration asks for. */
export async function loadLbPrograms(options: LoadProgramsOptions): Promise<LbPrograms> {
  const { kernel, buildDirectory, bpfDirectory, config, facts } = options;
  const load = (file: string, programName: string): Promise<LoadedObject> =>
    kernel.loadObjectAside({
      objectPath: resolve(buildDirectory, file),
      programName,
      rodata: { config: programRodata(config, facts) },
      maxEntries: mapSizes(config, facts),
      pinDirectory: mapsDirectory(bpfDirectory),
    });
  const xdp = await load('xdp.bpf.o', 'lb_xdp');
  let tc: LoadedObject | undefined;
  try {
    if (options.modes.includes('tc')) tc = await load('tc.bpf.o', 'lb_tc');
  } catch (error) {
    xdp.close();
    throw error;
  }
  return {
    maps: xdp.maps,
    of(mode) {
      const object = mode === 'tc' ? tc : xdp;
      if (object === undefined) throw new Error(`no program for ${mode} was loaded`);
      return { fd: object.programFd, id: object.programId };
    },
    verifiedInstructions: {
      lb_xdp: xdp.verifiedInstructions,
      ...(tc === undefined ? {} : { lb_tc: tc.verifiedInstructions }),
    },
    close() {
      xdp.close();
      tc?.close();
    },
  };
}
