/** Where Services and EndpointSlices come from. */
import type { Problem } from '../services/desired-state.ts';
import type { EndpointSlice, Service } from './kube-objects.ts';

export interface SourceSnapshot {
  /** Sorted by namespace, then name; no two alike. An object that did not change is the same JavaScript object. */
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
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

export interface Source {
  readonly kind: 'manifests';
  /** For people: a directory or a URL. */
  readonly location: string;
  /** Resolves after the first look. onChange is called whenever a later snapshot() differs. */
  start(onChange: () => void): Promise<void>;
  /** After it resolves, onChange is not called any more. */
  stop(): Promise<void>;
  snapshot(): SourceSnapshot;
}
