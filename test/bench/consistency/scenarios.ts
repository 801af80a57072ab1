/** What happens to the service and to the nodes, minute by minute. */
import type { BackendSet } from './backend-set.ts';

export interface Minute {
  /** All nodes learn of it at the beginning of the minute. */
  readonly backends?: BackendSet;
  /** Nodes that get packets from here on; a number that was not there before is a new node. */
  readonly nodes?: readonly number[];
}

export interface Scenario {
  readonly name: string;
  readonly backends: number;
  readonly nodes: readonly number[];
  /** By minute; those that are not named bring nothing new. */
  readonly script: Readonly<Record<number, Minute>>;
  readonly minutes: number;
  /** Of 10,000 flows, those that send nothing from minute 2 to 24. */
  readonly silent?: number;
  /** Minutes whose broken connections count; default all. */
  readonly countFrom?: number;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const all = (active: readonly number[], draining: readonly number[] = []): BackendSet => ({
  active,
  draining,
});
const without = (count: number, gone: number): number[] => upTo(count).filter((each) => each !== gone);

const HUNDRED = { backends: 100, nodes: [0, 1], minutes: 24 } as const;
const ADDED = { backends: all(upTo(101)) };

/** Each backend is replaced by a new one: the new one joins while the old one drains, a minute later it is gone. */
function rolling(count: number): Scenario {
  const script: Record<number, Minute> = {};
  for (let done = 0; done < count; done++) {
    const members = [...upTo(count).slice(done + 1), ...upTo(done + 1).map((n) => count + n)];
    script[2 + done] = { backends: all(members, [done]) };
  }
  script[2 + count] = { backends: all(upTo(count).map((n) => count + n)) };
  return {
    name: `rolling update of ${count} backends, one a minute`,
    backends: count,
    nodes: [0, 1],
    script,
    minutes: count + 24,
  };
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'backend added', ...HUNDRED, script: { 2: ADDED } },
  { name: 'backend removed at once', ...HUNDRED, script: { 2: { backends: all(without(100, 7)) } } },
  {
    name: 'backend drained for 20 minutes, then removed',
    ...HUNDRED,
    script: {
      2: { backends: all(without(100, 7), [7]) },
      22: { backends: all(without(100, 7)) },
    },
  },
  {
    name: 'backend not ready for a minute',
    ...HUNDRED,
    script: { 2: { backends: all(without(100, 7), [7]) }, 3: { backends: all(upTo(100)) } },
  },
  rolling(3),
  rolling(10),
  rolling(100),
  { name: 'load balancer lost, no change of backends', ...HUNDRED, script: { 2: { nodes: [1] } } },
  { name: 'load balancer added, no change of backends', ...HUNDRED, script: { 2: { nodes: [0, 1, 2] } } },
  {
    name: 'backend added and load balancer lost in the same minute',
    ...HUNDRED,
    script: { 2: { ...ADDED, nodes: [1] } },
  },
  {
    name: 'load balancer lost 5 minutes after a backend was added',
    ...HUNDRED,
    script: { 2: ADDED, 7: { nodes: [1] } },
    countFrom: 7,
  },
  {
    name: 'load balancer lost 20 minutes after a backend was added',
    ...HUNDRED,
    script: { 2: ADDED, 22: { nodes: [1] } },
    minutes: 28,
    countFrom: 22,
  },
  {
    name: 'backend added, 10 % of the flows silent for 22 minutes',
    ...HUNDRED,
    minutes: 28,
    silent: 1000,
    script: { 2: ADDED },
  },
];
