/** The floor programs as scenarios: what parsing, a lookup, a record, an insertion cost here at least. */
import type { Kernel, LoadedObject } from '../../src/kernel/kernel.ts';
import type { Flows } from './limits.ts';
import type { Scenario } from './rounds.ts';
import { u32, Wrapper } from './wrapper.ts';

const XDP_TX = 3;

export type FloorProgram = 'parse' | 'parse_lru' | 'parse_record' | 'parse_insert';

export interface FloorOptions {
  readonly wrapObject: string;
  readonly floorsObject: string;
  readonly emptyFd: number;
  readonly program: FloorProgram;
  readonly flows: Flows;
  readonly frame: Buffer;
  readonly ingressIfindex: number;
  /** Iterations of one slice. */
  readonly iterations: number;
  /** Entries of the LRU table. */
  readonly tableSize: number;
  /** parse_record: the first SNAT address, and how many. */
  readonly records?: { readonly first: number; readonly count: number };
  /** Fills the tuples, `flows` of them. */
  readonly writeTuples: (memory: Buffer) => void;
}

export interface Floor extends Scenario {
  readonly name: string;
  readonly program: FloorProgram;
}

export function floorName(program: FloorProgram, flows: Flows): string {
  return flows === 1 ? program : `${program}_${flows}`;
}

function load(kernel: Kernel, options: FloorOptions, program: string, shared?: LoadedObject): LoadedObject {
  const reused = shared?.maps.get('floor_flows');
  return kernel.loadObject({
    objectPath: options.floorsObject,
    programName: program,
    rodata: { record_base: u32(options.records?.first ?? 0) },
    maxEntries: {
      floor_flows: options.tableSize,
      floor_records: 65536 * (options.records?.count ?? 1),
    },
    ...(reused ? { reuse: { floor_flows: reused.fd } } : {}),
  });
}

/** Loads a floor program; the table of parse_lru is filled by running parse_insert over all tuples. */
export function openFloor(kernel: Kernel, options: FloorOptions): Floor {
  const object = load(kernel, options, options.program);
  const { wrapObject: objectPath, frame, ingressIfindex, flows: tupleCount } = options;
  const common = { objectPath, frame, ingressIfindex, tupleCount };
  const wrapper = new Wrapper(kernel, { ...common, targetFd: object.programFd });
  const empty = new Wrapper(kernel, { ...common, targetFd: options.emptyFd, tuplesOf: wrapper });
  options.writeTuples(wrapper.tuples);
  if (options.program === 'parse_lru') {
    const filler = load(kernel, options, 'parse_insert', object);
    const fill = new Wrapper(kernel, { ...common, targetFd: filler.programFd, tuplesOf: wrapper });
    fill.run(options.flows);
    fill.close();
    filler.close();
  }
  const hits = object.maps.get('floor_hits');
  if (!hits) throw new Error('the floor programs have no map floor_hits');
  const hitsNow = () => Number(kernel.lookup(hits, u32(0))?.readBigUInt64LE(0) ?? -1n);
  const name = floorName(options.program, options.flows);
  return {
    name,
    program: options.program,
    label: `floor ${name}`,
    iterations: options.iterations,
    wrapper,
    empty,
    warm: () => void wrapper.run(Math.max(1000, options.flows)),
    beginProof: () => {
      const before = hitsNow();
      return (iterations, verdict) => {
        const got = hitsNow() - before;
        const found = got === iterations ? [] : [`${got} of ${iterations} packets went all the way`];
        return verdict === XDP_TX ? found : [...found, `the last verdict was ${verdict}`];
      };
    },
  };
}
