/**
 * Neighbours that traffic in XDP does not keep alive, because the kernel does
 * not see it: backends on the link, and gateways towards the others, are made
 * managed entries, which the kernel itself keeps resolved (Linux 5.16).
 */
import { readFileIfThere, writeFileAtomic } from './atomic-file.ts';
import { listNeighbours, type NeighbourEntry, type RouteAnswer } from './ip.ts';
import type { RunCommand } from './run-command.ts';

export interface Neighbour {
  readonly address: string;
  readonly device: string;
}

export interface NeighbourPlan {
  /** Ours from now on. */
  readonly keep: readonly Neighbour[];
  /** Of those: not managed in the kernel yet, or forgotten by it since. */
  readonly make: readonly Neighbour[];
  /** Ours until now, and wanted no more. */
  readonly drop: readonly Neighbour[];
}

const nameOf = (one: Neighbour): string => `${one.address} ${one.device}`;

/** Whom the kernel would ask for a MAC address on the way there; undefined when nobody (local, no route). */
export function nextHopOf(address: string, route: RouteAnswer | undefined): Neighbour | undefined {
  if (route?.device === undefined || route.type !== 'unicast' || route.device === 'lo') return undefined;
  return { address: route.gateway ?? address, device: route.device };
}

/**
 * What to make and what to give up, so that what is wanted is managed. Entries that an administrator
 * wrote, or made managed, before us are none of our business: making one managed again would take its
 * address away.
 */
export function planNeighbours(
  ours: readonly Neighbour[],
  wanted: readonly Neighbour[],
  kernel: readonly NeighbourEntry[],
): NeighbourPlan {
  const mine = new Set(ours.map(nameOf));
  const present = new Map(kernel.map((entry) => [nameOf(entry), entry]));
  const keep = [...new Map(wanted.map((one) => [nameOf(one), one])).values()].filter((one) => {
    const entry = present.get(nameOf(one));
    return entry === undefined || mine.has(nameOf(one)) || !(entry.permanent || entry.managed);
  });
  const kept = new Set(keep.map(nameOf));
  return {
    keep,
    make: keep.filter((one) => {
      const entry = present.get(nameOf(one));
      return entry === undefined || !(entry.managed || entry.permanent);
    }),
    drop: ours.filter((one) => !kept.has(nameOf(one))),
  };
}

function readRecord(file: string): Neighbour[] {
  try {
    const value = JSON.parse(readFileIfThere(file) ?? '[]') as unknown;
    return Array.isArray(value) ? (value as Neighbour[]) : [];
  } catch {
    return [];
  }
}

function writeRecord(file: string, neighbours: readonly Neighbour[]): void {
  writeFileAtomic(file, `${JSON.stringify(neighbours)}\n`);
}

/** `ip -batch` with -force: each line on its own; returns what ip complained about. */
async function batch(run: RunCommand, lines: readonly string[]): Promise<string[]> {
  if (lines.length === 0) return [];
  const { stderr } = await run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`);
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Command failed'));
}

export interface NeighbourReport {
  readonly managed: readonly Neighbour[];
  readonly made: number;
  readonly dropped: number;
  /** What ip said about entries that could not be made. */
  readonly complaints: readonly string[];
}

/**
 * Makes managed entries for these next hops and gives up those that nobody needs any more. The record is written before the kernel is told, so that cleanup finds every entry. Called again
 * after a link came back, because the kernel forgets the entries of a link that goes down.
 */
export async function syncNeighbours(
  run: RunCommand,
  file: string,
  wanted: readonly Neighbour[],
): Promise<NeighbourReport> {
  const ours = readRecord(file);
  const plan = planNeighbours(ours, wanted, await listNeighbours(run));
  const both = [...plan.keep, ...plan.drop];
  if (both.map(nameOf).sort().join() !== ours.map(nameOf).sort().join()) writeRecord(file, both);
  const complaints = await batch(
    run,
    plan.make.map(({ address, device }) => `neigh replace ${address} dev ${device} managed`),
  );
  await forget(run, plan.drop);
  if (plan.drop.length > 0) writeRecord(file, plan.keep);
  return { managed: plan.keep, made: plan.make.length, dropped: plan.drop.length, complaints };
}

/** An entry that is gone already is as good as deleted. */
async function forget(run: RunCommand, neighbours: readonly Neighbour[]): Promise<void> {
  await batch(
    run,
    neighbours.map(({ address, device }) => `neigh del ${address} dev ${device}`),
  );
}

/** Gives up every entry that was made; returns how many. Idempotent. */
export async function removeNeighbours(run: RunCommand, file: string): Promise<number> {
  const made = readRecord(file);
  await forget(run, made);
  if (made.length > 0) writeRecord(file, []);
  return made.length;
}
