/** Where Services, EndpointSlices and Nodes come from. */
import type { Problem } from '../services/desired-state.ts';
import type { EndpointSlice, KubeNode, Service } from './kube-objects.ts';

export interface SourceSnapshot {
  /** Sorted by namespace, then name; no two alike. An object that did not change is the same JavaScript object. */
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  /** None where they are not followed. */
  readonly nodes: readonly KubeNode[];
  /** What could not be read or used, sorted. Objects that were fine before stay as they were. */
  readonly problems: readonly Problem[];
  /** A complete list has arrived. Before that, nothing may be deleted on the word of this source. */
  readonly synced: boolean;
  /**
   * Everything was understood at least once since the start. While false (a file was broken all the
   * time), an object that is missing here may be one that cannot be read: add and change, do not delete
   * what an earlier agent left.
   */
  readonly complete: boolean;
  /** Milliseconds since 1970 of the last change of the objects. */
  readonly lastChangeAt?: number;
}

/** Of a source that has not heard of anything yet. */
export const NOTHING_HEARD: SourceSnapshot = {
  services: [],
  slices: [],
  nodes: [],
  problems: [],
  synced: false,
  complete: false,
};

/** How following one kind of object goes. */
export interface WatchStatus {
  readonly kind: 'Service' | 'EndpointSlice' | 'Node';
  /** A complete list was heard and believed. */
  readonly synced: boolean;
  /** A watch is open. */
  readonly connected: boolean;
  /** Milliseconds since 1970 of the last event, bookmark or complete list. */
  readonly lastHeardAt?: number;
  /** Complete lists after the first. */
  readonly relists: number;
  /** Attempts that failed. */
  readonly errors: number;
}

export interface Source {
  readonly kind: 'manifests' | 'kubernetes';
  /** For people: a directory, or where the API server's address comes from. */
  readonly location: string;
  /**
   * Begins to follow. A directory has been looked at when it resolves; an API server may be away for
   * long. onChange is called whenever a later snapshot() differs.
   */
  start(onChange: () => void): Promise<void>;
  /** After it resolves, onChange is not called any more. */
  stop(): Promise<void>;
  snapshot(): SourceSnapshot;
  /** None for a source that watches no server. */
  watches(): readonly WatchStatus[];
}
