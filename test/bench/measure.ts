/** One run: dataplanes, floors and scenarios are set up, measured in rounds, and put into a report. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { type Bed, type BedOptions, openBed } from './bed.ts';
import { type BenchObject, compileObjects } from './compile-objects.ts';
import { dsrBed, dsrScenario } from './dsr-paths.ts';
import { type Floor, floorName, openFloor } from './floors.ts';
import { casesOf, DSR_PATHS, type Flows, referenceLimit, scaledToMachine } from './limits.ts';
import { describeMachine } from './machine.ts';
import { measureMaglev } from './maglev-times.ts';
import { LAYOUT, pinnedCpu } from './namespace.ts';
import type { BenchOptions } from './options.ts';
import { establishedScenarios, frameOf, newFlowScenario, type PathScenario, passScenario } from './paths.ts';
import type { BenchReport, PathResult } from './report.ts';
import { type Measured, measureAll, QUIET, type Scenario } from './rounds.ts';
import { measureScale } from './scale.ts';
import { roundedSpread, tenth } from './statistics.ts';
import { clientTuples, scatter, TCP_ACK, type TupleList, writeTuples } from './tuples.ts';

/** Milliseconds: less than it takes to open a flow on every port of the bench's smallest pool. */
const SHORTEST_SYN_TIMEOUT = 4;

interface Setting {
  readonly kernel: Kernel;
  readonly objects: Record<BenchObject, string>;
  readonly emptyFd: number;
  readonly options: BenchOptions;
}

/** Iterations of one slice: some milliseconds, so that a quiet moment holds for it. */
export function sliceOf(path: PathScenario['path'] | Floor['program'], flows: Flows): number {
  if (path === 'snat-new' || path === 'parse_insert') return 16384;
  return flows === 1 ? 131072 : 65536;
}

async function pathScenarios(setting: Setting, beds: Bed[]): Promise<PathScenario[]> {
  const { kernel, objects, emptyFd, options } = setting;
  const wanted = (path: PathScenario['path']) => options.only.includes(path);
  const common = (path: PathScenario['path'], flows: Flows) => ({
    wrapObject: objects.wrap,
    emptyFd,
    flows,
    iterations: sliceOf(path, flows),
  });
  const open = async (bedOptions: BedOptions): Promise<Bed> => {
    const bed = await openBed(kernel, bedOptions);
    beds.push(bed);
    return bed;
  };
  const scenarios: PathScenario[] = [];
  if (wanted('pass')) {
    scenarios.push(passScenario(kernel, await open({ services: 1, snatCount: 1 }), common('pass', 1)));
  }
  if (wanted('snat-forward') || wanted('snat-reply')) {
    // Addresses for as many flows: each has 64,512 ports.
    for (const [flows, services, snatCount] of [
      [1, 1, 1],
      [65536, 1, 2],
      [524288, 1, 9],
      [65536, 1000, 2],
    ] as const) {
      const bed = await open({ services, snatCount });
      scenarios.push(
        ...establishedScenarios(kernel, bed, common('snat-forward', flows)).filter(({ path }) =>
          wanted(path),
        ),
      );
    }
  }
  for (const path of DSR_PATHS.filter(wanted)) {
    for (const { flows, services } of casesOf(path)) {
      const bed = await open(dsrBed(path, flows, services));
      scenarios.push(dsrScenario(kernel, bed, path, common(path, flows)));
    }
  }
  if (wanted('snat-new')) {
    const hot = {
      services: 1,
      snatCount: 1,
      ports: { min: 32768, max: 65535 },
      tcpSyn: SHORTEST_SYN_TIMEOUT,
    };
    scenarios.push(newFlowScenario(kernel, await open(hot), common('snat-new', 65536)));
    const cold = { services: 1, snatCount: 17, tcpSyn: 100 };
    scenarios.push(newFlowScenario(kernel, await open(cold), common('snat-new', 4194304)));
  }
  return scenarios;
}

function floors(setting: Setting): Floor[] {
  const { kernel, objects, emptyFd } = setting;
  const snatFirst = 0x0a020001;
  const frontends = [{ address: 0x0a010002, port: 80 }];
  /** Every port of every SNAT address, as the answers would have them. */
  const answers = (flows: Flows): TupleList => ({
    count: flows,
    at(n) {
      const ordinal = scatter(n, flows);
      const to = { destination: snatFirst + (ordinal >>> 16), destinationPort: ordinal & 0xffff };
      return { source: 0x0a030001, sourcePort: 8000, ...to };
    },
  });
  const floor = (program: Floor['program'], flows: Flows, tableSize = 2 * flows): Floor => {
    const tuples = program === 'parse_record' ? answers(flows) : clientTuples(frontends, flows);
    return openFloor(kernel, {
      wrapObject: objects.wrap,
      floorsObject: objects.floors,
      emptyFd,
      program,
      flows,
      frame: frameOf(tuples.at(0), TCP_ACK),
      ingressIfindex: LAYOUT.deviceIfindex,
      iterations: sliceOf(program, flows),
      tableSize: Math.max(1024, tableSize),
      records: { first: snatFirst, count: Math.max(1, flows / 65536) },
      writeTuples: (memory) => writeTuples(memory, tuples, TCP_ACK),
    });
  };
  return [
    floor('parse', 1),
    floor('parse_lru', 1),
    floor('parse_lru', 65536),
    floor('parse_lru', 524288),
    floor('parse_record', 1),
    floor('parse_record', 65536),
    floor('parse_record', 524288),
    // As many entries as the dataplanes of the same name have flows: every insertion evicts.
    floor('parse_insert', 65536, 32768),
    floor('parse_insert', 4194304, 1048576),
  ];
}

const FLOOR_OF = {
  pass: 'parse',
  'snat-forward': 'parse_lru',
  'snat-reply': 'parse_record',
  'snat-new': 'parse_insert',
  'dsr-tracked': 'parse_lru',
} as const;

/** The floor of a path that keeps nothing for a flow is the same for any number of them. */
function floorOf(path: PathScenario['path'], flows: Flows): string {
  return path in FLOOR_OF ? floorName(FLOOR_OF[path as keyof typeof FLOOR_OF], flows) : 'parse';
}

function resultOf(measured: Measured<PathScenario>, floorNs: Record<string, number>): PathResult {
  const { path, flows, services } = measured.scenario;
  const floor = floorNs[floorOf(path, flows)];
  const parseLru = floorNs.parse_lru;
  if (floor === undefined || parseLru === undefined) throw new Error(`no floor was measured for ${path}`);
  return {
    path,
    flows,
    services,
    net_ns: roundedSpread(measured.net),
    floor_ns: floor,
    limit_ns: tenth(scaledToMachine(referenceLimit(path, flows, services).ns, parseLru)),
  };
}

/** Everything that `options` asks for. loadBefore: the load average before the run. */
export async function measure(
  kernel: Kernel,
  options: BenchOptions,
  loadBefore: number,
  say: (line: string) => void,
): Promise<BenchReport> {
  const objects = compileObjects();
  const empty = kernel.loadObject({ objectPath: objects.floors, programName: 'empty' });
  const setting: Setting = { kernel, objects, emptyFd: empty.programFd, options };
  const beds: Bed[] = [];
  try {
    say('making flows ...');
    const floorScenarios = floors(setting);
    const paths = await pathScenarios(setting, beds);
    const all: Scenario[] = [...floorScenarios, ...paths];
    const measured = await measureAll(all, {
      rounds: options.rounds,
      slices: options.quick ? 4 : 16,
      mostSlices: options.quick ? 8 : 64,
      progress: (round, scenario, { gross, empty: without, slowness }) =>
        say(
          `round ${round + 1}/${options.rounds}  ${scenario.label.padEnd(44)} ${(gross - without).toFixed(1).padStart(7)} ns` +
            (slowness > QUIET ? `  (machine ${slowness.toFixed(1)} times slower than at its best)` : ''),
        ),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    });
    const floorNs = Object.fromEntries(
      measured.flatMap(({ scenario, net }) =>
        scenario.label.startsWith('floor ') ? [[scenario.label.slice(6), tenth(net.median)]] : [],
      ),
    );
    const samples = measured.flatMap((each) => each.samples);
    return {
      machine: describeMachine({
        pinnedCpu: pinnedCpu(),
        loadBefore,
        rounds: options.rounds,
        quick: options.quick,
        leftOut:
          Math.round((100 * samples.reduce((sum, each) => sum + each.leftOut, 0)) / samples.length) / 100,
        slowest: tenth(Math.max(...samples.map((each) => each.slowness))),
      }),
      floors: floorNs,
      results: measured
        .filter((each): each is Measured<PathScenario> => paths.includes(each.scenario as PathScenario))
        .map((each) => resultOf(each, floorNs)),
      maglev: measureMaglev(kernel, options.quick ? 5 : 31),
      scale: await measureScale(kernel, options.quick),
    };
  } finally {
    for (const bed of beds) await bed.close();
    empty.close();
  }
}
