/** A history that went wrong, in a file, so that it can be run again and again. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FleetDisagreement, runFleetHistory } from '../consistency/run-fleet.ts';
import type { Failure } from '../differential/history.ts';
import { type Disagreement, replayHistory } from '../differential/run-differential.ts';
import { enterNetwork } from '../packet/network.ts';
import { UsageError } from './options.ts';

export type FoundFailure =
  | { readonly kind: 'packets'; readonly disagreement: Disagreement }
  | { readonly kind: 'histories'; readonly disagreement: FleetDisagreement };

const DIRECTORY = 'build/fuzz';

/** The file's name. */
export function writeFailure(seed: number, found: FoundFailure): string {
  const file = join(DIRECTORY, `${found.kind}-${seed}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(found, null, 1)}\n`);
  return file;
}

/** Throws a {@link UsageError} when the file is none that {@link writeFailure} made. */
export function readFailure(file: string): FoundFailure {
  try {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Partial<FoundFailure>;
    const isKnown = found.kind === 'packets' || found.kind === 'histories';
    if (isKnown && Array.isArray(found.disagreement?.steps)) return found as FoundFailure;
  } catch (error) {
    throw new UsageError(`REPLAY=${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new UsageError(`REPLAY=${file}: not a file that make fuzz wrote`);
}

/** Undefined: it goes right now. */
export async function replayFailure(found: FoundFailure): Promise<Failure | undefined> {
  if (found.kind === 'histories') return runFleetHistory(found.disagreement);
  enterNetwork();
  return replayHistory(found.disagreement);
}
