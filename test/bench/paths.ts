/** The measured paths as scenarios: their packets, the flows they need, and what proves them. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Bed } from './bed.ts';
import { readCounted } from './counted.ts';
import { type ServiceKind, SNAT } from './desired.ts';
import { answerTuples, scattered } from './flow-tuples.ts';
import { buildFrame } from './frame.ts';
import type { Flows, Path } from './limits.ts';
import { LAYOUT } from './namespace.ts';
import { type Expected, objections, ProofError } from './proof.ts';
import type { Scenario } from './rounds.ts';
import {
  clientTuples,
  setFlags,
  TCP_ACK,
  TCP_SYN,
  type Tuple,
  type TupleList,
  writeTuples,
} from './tuples.ts';
import { Wrapper } from './wrapper.ts';

const XDP_PASS = 2;
const XDP_TX = 3;

export interface PathScenario extends Scenario {
  readonly wrapper: Wrapper;
  readonly path: Path;
  readonly flows: Flows;
  readonly services: number;
}

export interface PathOptions {
  readonly wrapObject: string;
  readonly emptyFd: number;
  readonly flows: Flows;
  /** Iterations of one slice. */
  readonly iterations: number;
}

export const FORWARDED: Expected = {
  verdict: XDP_TX,
  packetsIn: 1,
  packetsOut: 0,
  newFlows: 0,
  allowedEvents: [],
};
const ANSWERED: Expected = { ...FORWARDED, packetsIn: 0, packetsOut: 1 };
export const OPENED: Expected = { ...FORWARDED, newFlows: 1 };
const PASSED: Expected = { ...FORWARDED, verdict: XDP_PASS, packetsIn: 0 };

type FrameKind = Pick<ServiceKind, 'family' | 'protocol'>;

export function frameOf(tuple: Tuple, flags: number, { family, protocol }: FrameKind = SNAT): Buffer {
  return buildFrame({
    sourceMac: LAYOUT.gatewayMac,
    destinationMac: LAYOUT.deviceMac,
    protocol,
    family,
    tuple,
    flags,
  });
}

export function wrappers(
  kernel: Kernel,
  bed: Bed,
  options: PathOptions,
  tuples: TupleList,
  flags: number,
  kind: FrameKind = SNAT,
) {
  const common = {
    objectPath: options.wrapObject,
    frame: frameOf(tuples.at(0), flags, kind),
    tupleCount: tuples.count,
    ingressIfindex: bed.ingressIfindex,
  };
  const wrapper = new Wrapper(kernel, { ...common, targetFd: bed.programFd });
  const empty = new Wrapper(kernel, { ...common, targetFd: options.emptyFd, tuplesOf: wrapper });
  writeTuples(wrapper.tuples, tuples, flags);
  return { wrapper, empty };
}

export function prover(kernel: Kernel, bed: Bed, wrapper: Wrapper, expected: Expected) {
  return () => {
    const before = readCounted(kernel, bed.maps, wrapper);
    return (iterations: number, verdict: number) =>
      objections(before, readCounted(kernel, bed.maps, wrapper), iterations, expected, verdict);
  };
}

/** Runs every tuple once and throws {@link ProofError} unless each did what is expected. */
export function runProved(
  kernel: Kernel,
  bed: Bed,
  wrapper: Wrapper,
  what: string,
  iterations: number,
  expected: Expected,
): void {
  const check = prover(kernel, bed, wrapper, expected)();
  const reasons = check(iterations, wrapper.run(iterations).returnValue);
  if (reasons.length > 0) throw new ProofError(what, reasons);
}

/** Packets that are neither for a VIP nor for a SNAT address. */
export function passScenario(kernel: Kernel, bed: Bed, options: PathOptions): PathScenario {
  const tuple = { source: 0x0a630001, sourcePort: 4000, destination: 0x0a630102, destinationPort: 80 };
  const { wrapper, empty } = wrappers(kernel, bed, options, { count: 1, at: () => tuple }, TCP_ACK);
  return {
    path: 'pass',
    flows: 1,
    services: bed.services,
    label: 'pass',
    iterations: options.iterations,
    wrapper,
    empty,
    warm: () => void wrapper.run(1000),
    beginProof: prover(kernel, bed, wrapper, PASSED),
  };
}

/** Milliseconds: well below the second after which a flow is due for what happens once a second. */
const TOUCH_AGAIN = 600;
/** And after which all of them are due. */
const REFRESHED_EACH = 1020;
const CLOCK = new Int32Array(new SharedArrayBuffer(4));

/**
 * Touches all flows before the slices, and again when some time has passed. Once a second and flow the
 * program does more, and how many packets meet that depends on their rate; here none does. For that all
 * flows are touched when each of them is a second old: a younger one would be left alone, and be a second
 * old within a slice.
 */
export function touching(wrapper: Wrapper, flows: number): Pick<Scenario, 'warm' | 'keep'> {
  const iterations = Math.max(1000, flows);
  let begun = Number.NEGATIVE_INFINITY;
  let ended = Number.NEGATIVE_INFINITY;
  const touch = () => {
    const wait = ended + REFRESHED_EACH - performance.now();
    if (wait > 0) Atomics.wait(CLOCK, 0, 0, wait);
    begun = performance.now();
    wrapper.run(iterations);
    ended = performance.now();
    return iterations;
  };
  return { warm: () => void touch(), keep: () => (performance.now() - begun < TOUCH_AGAIN ? 0 : touch()) };
}

/**
 * Established TCP flows in both directions. They are made by the program itself: a SYN of each client, an
 * ACK, and an answer of the backend that its record names.
 */
export function establishedScenarios(kernel: Kernel, bed: Bed, options: PathOptions): PathScenario[] {
  const { flows } = options;
  const described = { flows, services: bed.services, iterations: options.iterations };
  const label = (path: Path) => `${path}, ${flows} flows, ${bed.services} services`;
  const forward = wrappers(kernel, bed, options, clientTuples(bed.frontends, flows), TCP_SYN);
  runProved(kernel, bed, forward.wrapper, `SYNs for ${label('snat-forward')}`, flows, OPENED);
  setFlags(forward.wrapper.tuples, flows, TCP_ACK);
  runProved(kernel, bed, forward.wrapper, `ACKs for ${label('snat-forward')}`, flows, FORWARDED);
  const answers = scattered(answerTuples(bed.maps, bed.snatFirst, flows));
  const reply = wrappers(kernel, bed, options, answers, TCP_ACK);
  runProved(kernel, bed, reply.wrapper, `answers for ${label('snat-reply')}`, flows, ANSWERED);
  return [
    {
      ...described,
      ...forward,
      path: 'snat-forward',
      label: label('snat-forward'),
      ...touching(forward.wrapper, flows),
      beginProof: prover(kernel, bed, forward.wrapper, FORWARDED),
    },
    {
      ...described,
      ...reply,
      path: 'snat-reply',
      label: label('snat-reply'),
      ...touching(reply.wrapper, flows),
      beginProof: prover(kernel, bed, reply.wrapper, ANSWERED),
    },
  ];
}

/**
 * SYNs of tuples that have no flow. There are more tuples than SNAT ports, so when a tuple comes round
 * again its former flow has been reclaimed for another. `filled` runs before the first round until every
 * port has been used: from then on each new flow removes an old one.
 */
export function newFlowScenario(kernel: Kernel, bed: Bed, options: PathOptions): PathScenario {
  const { flows } = options;
  if (flows <= bed.snatPorts) throw new RangeError(`${flows} tuples would find their flows again`);
  const { wrapper, empty } = wrappers(kernel, bed, options, clientTuples(bed.frontends, flows), TCP_SYN);
  const label = `snat-new, ${flows} tuples`;
  runProved(kernel, bed, wrapper, `first SYNs for ${label}`, bed.snatPorts, OPENED);
  return {
    path: 'snat-new',
    flows,
    services: bed.services,
    label,
    iterations: options.iterations,
    wrapper,
    empty,
    warm: () => runProved(kernel, bed, wrapper, `warming ${label}`, 16384, OPENED),
    beginProof: prover(kernel, bed, wrapper, OPENED),
  };
}
