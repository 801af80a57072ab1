/** The wrapper program of wrap.bpf.c before a program under test, with its tuples. */
import type { BpfMap, Kernel, LoadedObject, TestRunResult } from '../../src/kernel/kernel.ts';
import { frameRodata } from './frame.ts';

function requiredMap(object: LoadedObject, name: string): BpfMap {
  const map = object.maps.get(name);
  if (!map) throw new Error(`the program has no map ${name}; it has ${[...object.maps.keys()].join(', ')}`);
  return map;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export interface WrapperOptions {
  readonly objectPath: string;
  readonly frame: Buffer;
  /** A power of two; the table of tuples has as many entries. */
  readonly tupleCount: number;
  /** The program under test. */
  readonly targetFd: number;
  /** The device that the packets seem to come in by. */
  readonly ingressIfindex: number;
  /** Shares the tuples of another wrapper. */
  readonly tuplesOf?: Wrapper;
}

export class Wrapper {
  readonly tupleCount: number;
  readonly #kernel: Kernel;
  readonly #object: LoadedObject;
  readonly #frame: Buffer;
  readonly #ingress: number;
  readonly #progress: BpfMap;
  readonly #tuples: BpfMap;
  #memory: Buffer | undefined;

  constructor(kernel: Kernel, options: WrapperOptions) {
    const { tupleCount, tuplesOf } = options;
    if (tupleCount < 1 || (tupleCount & (tupleCount - 1)) !== 0) {
      throw new RangeError(`${tupleCount} tuples: must be a power of two`);
    }
    this.tupleCount = tupleCount;
    this.#kernel = kernel;
    this.#frame = options.frame;
    this.#ingress = options.ingressIfindex;
    this.#object = kernel.loadObject({
      objectPath: options.objectPath,
      programName: 'wrap',
      rodata: { ...frameRodata(options.frame), tuple_mask: u32(tupleCount - 1) },
      maxEntries: { tuples: tuplesOf ? tuplesOf.#tuples.maxEntries : tupleCount },
      ...(tuplesOf ? { reuse: { tuples: tuplesOf.#tuples.fd } } : {}),
    });
    this.#tuples = requiredMap(this.#object, 'tuples');
    this.#progress = requiredMap(this.#object, 'progress');
    kernel.update(requiredMap(this.#object, 'target'), u32(0), u32(options.targetFd));
  }

  /** The tuples, to be written by {@link writeTuple}. */
  get tuples(): Buffer {
    this.#memory ??= this.#kernel.mapMemory(this.#tuples, 'write');
    return this.#memory;
  }

  get programFd(): number {
    return this.#object.programFd;
  }

  /** Iterations so far, and those in which the program under test was not reached. */
  progress(): { iterations: number; notReached: number } {
    const value = this.#kernel.lookup(this.#progress, u32(0));
    if (!value) throw new Error('the wrapper lost its progress');
    return {
      iterations: Number(value.readBigUInt64LE(0)),
      notReached: Number(value.readBigUInt64LE(8)),
    };
  }

  /** The next iteration takes the first tuple. */
  restart(): void {
    this.#kernel.update(this.#progress, u32(0), Buffer.alloc(16));
  }

  run(iterations: number): TestRunResult {
    return this.#kernel.testRun(this.#object.programFd, {
      data: this.#frame,
      repeat: iterations,
      ingressIfindex: this.#ingress,
    });
  }

  close(): void {
    this.#object.close();
  }
}
