/**
 * Which endpoints get a service port's new connections, by the rule of Kubernetes: those that are ready
 * and not terminating; if there are none, those that serve while terminating; else none. The others
 * keep the connections they have.
 */
import { compareAddresses, type IpAddress } from '../net/address.ts';
import type { DesiredBackend } from './desired-state.ts';

/** An endpoint with its port resolved. */
export interface Candidate {
  readonly address: string;
  /** The address as a value, for sorting. */
  readonly number: IpAddress;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly weight: number;
  readonly target?: string;
  readonly node?: string;
}

/** 0 is the best: what endpoints are asked for in that order. */
export type Rank = 0 | 1 | 2;

export function rank({ ready, serving, terminating }: Candidate): Rank {
  if (ready && !terminating) return 0;
  return serving && terminating ? 1 : 2;
}

/**
 * Each address and port once: an endpoint that moves from slice to slice is in both for a while. The best
 * by rank counts, among equals the first.
 */
export function uniqueCandidates(candidates: readonly Candidate[]): Candidate[] {
  const unique = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const key = `${candidate.address} ${candidate.port}`;
    const other = unique.get(key);
    if (other === undefined || rank(candidate) < rank(other)) unique.set(key, candidate);
  }
  return [...unique.values()];
}

/** Sorted by address and port. */
export function selectBackends(candidates: readonly Candidate[]): DesiredBackend[] {
  const all = uniqueCandidates(candidates).sort(
    (a, b) => compareAddresses(a.number, b.number) || a.port - b.port,
  );
  const chosen = chosenRank(all);
  return all.map((candidate) => backendOf(candidate, rank(candidate) === chosen));
}

/** Of which rank those are that get new connections; there may be none of it. */
export function chosenRank(candidates: readonly Candidate[]): 0 | 1 {
  return candidates.some((candidate) => rank(candidate) === 0) ? 0 : 1;
}

function backendOf(candidate: Candidate, chosen: boolean): DesiredBackend {
  const { address, port, weight, terminating, target, node } = candidate;
  const about = {
    address,
    port,
    ...(target === undefined ? {} : { target }),
    ...(node === undefined ? {} : { node }),
  };
  if (!chosen) {
    return { ...about, weight: 0, state: 'draining', reason: terminating ? 'terminating' : 'not ready' };
  }
  if (weight === 0) return { ...about, weight: 0, state: 'draining', reason: 'weight 0' };
  const reason = terminating ? ({ reason: 'serving while terminating' } as const) : {};
  return { ...about, weight, state: 'active', ...reason };
}
