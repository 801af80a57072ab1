/**
 * What the rest of the agent may ask of the kernel's BPF side. The only
 * implementation is `libbpf.ts`; nothing outside this folder knows that it
 * goes through ffi-napi, so that another FFI could replace it in one file.
 *
 * Errors: every function throws a {@link KernelError} with the errno's name.
 */

/** How a program sits on a device. `xdp` is native XDP and nothing else. */
export type AttachMode = 'xdp' | 'xdp-generic' | 'tc';

/** Where a program can be put; all but the last see what comes in. */
export type AttachPoint = AttachMode | 'tc-egress';
/** What a program on tc sees: what comes by a device, or what leaves. */
export type Direction = 'ingress' | 'egress';

/** Some entries of a hash map: keys and values in a row, `count` of each. */
export interface MapBatch {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

/** An open BPF map. */
export interface BpfMap {
  readonly name: string;
  readonly fd: number;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** A loaded object: one program of it, and all its maps by their name in C (without the version). */
export interface LoadedObject {
  readonly programFd: number;
  readonly programId: number;
  /** Instructions the verifier walked through. */
  readonly verifiedInstructions: number;
  readonly maps: ReadonlyMap<string, BpfMap>;
  /** Closes the object and its descriptors; what is pinned or attached stays. */
  close(): void;
}

export interface LoadOptions {
  /** Path of the compiled object. */
  readonly objectPath: string;
  readonly programName: string;
  /** Variables in .rodata by name, as bytes in the machine's layout. */
  readonly rodata?: Readonly<Record<string, Uint8Array>>;
  /** max_entries by map name; maps that are not named keep what the object says. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /**
   * Where maps are pinned, as `<directory>/<name>_v<LAYOUT_VERSION>`. A pinned map is reused, and a
   * pinned map of other sizes is a KernelError (code `MAP_MISMATCH`) that names it and both sizes.
   * Not given: nothing is pinned.
   */
  readonly pinDirectory?: string;
  /** Maps taken from elsewhere instead of being made (name to descriptor); used by tests and tools. */
  readonly reuse?: Readonly<Record<string, number>>;
}

export interface TestRunOptions {
  readonly data: Uint8Array;
  readonly repeat?: number;
  /** The device the packet seems to come in by (XDP only); default the loopback device. */
  readonly ingressIfindex?: number;
  /**
   * Of a tc program: as if the card had summed up the packet. Throws EBADMSG when the program leaves a sum
   * that is not the packet's. Needs Linux 6.11.
   */
  readonly checksumComplete?: boolean;
}

export interface TestRunResult {
  readonly returnValue: number;
  readonly data: Buffer;
  /** Mean time of one run, by the kernel's own count, in nanoseconds. */
  readonly durationNs: number;
}

/** A link that keeps a program on a device. */
export interface BpfLink {
  readonly fd: number;
  readonly programId: number;
  readonly ifindex: number;
}

export interface Kernel {
  loadObject(options: LoadOptions): LoadedObject;
  /** The same while this thread goes on: the verifier may think for most of a second. */
  loadObjectAside(options: LoadOptions): Promise<LoadedObject>;
  /** Opens a pinned map; undefined if there is none. */
  openPinnedMap(path: string): BpfMap | undefined;
  closeFd(fd: number): void;

  lookup(map: BpfMap, key: Uint8Array): Buffer | undefined;
  /** flags: 0 any, 1 must not exist, 2 must exist. */
  update(map: BpfMap, key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** False if there was no such key. */
  delete(map: BpfMap, key: Uint8Array): boolean;
  /** All entries of a hash map, read in batches. */
  entries(map: BpfMap): Array<{ key: Buffer; value: Buffer }>;
  /**
   * The same batch by batch, so that a long walk can let others have a turn. What is in the map all the
   * time comes once; what comes or goes meanwhile may be missing.
   */
  batches(map: BpfMap): Generator<MapBatch>;

  /**
   * The values of a mappable array as memory: value i begins at i * (value size rounded up to 8). The
   * Buffer lives as long as the process. Stores to it are seen by packets at once; use
   * {@link storeU64} for what must not tear.
   */
  mapMemory(map: BpfMap, access: 'read' | 'write'): Buffer;
  /** One aligned 8-byte store with sequential consistency. offset in bytes, a multiple of 8. */
  storeU64(memory: Buffer, offset: number, value: bigint): void;
  loadU64(memory: Buffer, offset: number): bigint;

  /** Per-CPU array: `count` values from `first`, each word of 64 bits summed over all CPUs. */
  sumPerCpu(map: BpfMap, first: number, count: number): BigUint64Array;
  /** Per-CPU array: sets `count` values from `first` to zero on all CPUs. */
  clearPerCpu(map: BpfMap, first: number, count: number): void;

  /**
   * Fills a Maglev table (Eisenbud et al., NSDI 2016, section 3.4) with weights as quotas.
   * hashes: two words a backend (offset and skip material), already in table order; quotas: slots each
   * backend gets, summing to `slots`. Returns `slots` backend indexes.
   */
  buildMaglevTable(slots: number, hashes: BigUint64Array, quotas: Uint32Array): Uint16Array;

  /**
   * Attaches, or throws with code `DEVICE_BUSY` naming the program that owns the device. Where tc has no links
   * (before Linux 6.6) it is a filter, which is on the device once its link is pinned.
   */
  attach(programFd: number, ifindex: number, mode: AttachPoint): BpfLink;
  pinLink(link: BpfLink, path: string): void;
  /**
   * The last part of the path says which device's it is: see `link-pin.ts`. The direction, default ingress,
   * is of a filter, whose pin does not tell.
   */
  openPinnedLink(path: string, direction?: Direction): BpfLink | undefined;
  /** Swaps the program under a link; no packet sees the device without one. */
  updateLink(link: BpfLink, programFd: number): void;
  /** Takes the program off the device at once, whoever else holds the link. */
  detachLink(link: BpfLink): void;
  /** The program id on a device by XDP, whoever attached it. */
  xdpOwner(ifindex: number): { programId: number; mode: 'xdp' | 'xdp-generic' | 'offload' } | undefined;

  testRun(programFd: number, options: TestRunOptions): TestRunResult;
  /** Resolves when every program run that began before the call has ended (RCU grace period). */
  gracePeriod(): Promise<void>;
  /** Number of CPUs that per-CPU maps have values for. */
  readonly possibleCpus: number;
  /** One more than the highest number that a CPU has or may get until the next boot. */
  readonly cpuNumbers: number;
}

/** code: a name of ours or of errno (`EPERM`); message says what to do. */
export class KernelError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'KernelError';
  }
}
