/**
 * One reconcile: from what the source says now to maps and announcement. It
 * looks at the whole state each time and remembers nothing of events, so it
 * may be run at any moment, any number of times.
 *
 * The order keeps two promises: a service is in the maps before the device
 * goes up, and the device is down before the last service leaves the maps.
 */
import type { DesiredState, Problem } from '../services/desired-state.ts';
import type { SourceSnapshot } from '../sources/source.ts';
import { type Announcement, type AnnouncementFacts, decideAnnouncement } from './decide-announcement.ts';

export interface ApplyOptions {
  /** Take out services that are not in the state. Not before the source is known to be whole. */
  readonly deletions: boolean;
}

export interface ReconcileEffects {
  snapshot(): SourceSnapshot;
  desiredState(snapshot: SourceSnapshot): Promise<DesiredState>;
  /** Brings the state into the maps; returns what could not be done. Throws when nothing can. */
  apply(state: DesiredState, options: ApplyOptions): Promise<readonly Problem[]>;
  /** Services in the maps now, whoever put them there. */
  servicesInMaps(): number;
  /** Every configured device has our program. */
  devicesAttached(): boolean;
  drained(): boolean;
  /** The VIP device; false: it had that state already. */
  setVip(up: boolean): Promise<boolean>;
}

/** What the last reconcile found. */
export interface ReconcileState {
  /** A complete list has been applied since the agent started. */
  readonly applied: boolean;
  readonly desired?: DesiredState;
  /** Of the source, the services and the maps together. */
  readonly problems: readonly Problem[];
  readonly announcement?: Announcement;
}

export const initialState: ReconcileState = { applied: false, problems: [] };

/** What changed on the way, for the log and the metrics. */
export interface ReconcileReport {
  readonly state: ReconcileState;
  /** The VIP device was set up or down. */
  readonly announcedChanged: boolean;
}

/**
 * Runs one reconcile. Throws when maps or VIP device cannot be changed; the announcement is brought in
 * order even if the maps refuse, so that a drain works with a broken source.
 */
export async function reconcile(effects: ReconcileEffects, before: ReconcileState): Promise<ReconcileReport> {
  const snapshot = effects.snapshot();
  let state: ReconcileState = before;
  let changed = false;
  let failure: unknown;
  if (snapshot.synced) {
    const desired = await effects.desiredState(snapshot);
    const deletions = snapshot.complete;
    if (deletions && desired.services.length === 0) {
      changed = await announce(effects, { applied: true, services: 0 });
    }
    try {
      const refused = await effects.apply(desired, { deletions });
      state = {
        applied: true,
        desired,
        problems: [...snapshot.problems, ...desired.problems, ...refused],
      };
    } catch (error) {
      failure = error;
    }
  } else {
    state = { ...before, problems: snapshot.problems };
  }
  const announcement = decideAnnouncement(factsOf(effects, state.applied, effects.servicesInMaps()));
  if (announcement.device !== 'leave') {
    changed = (await effects.setVip(announcement.device === 'up')) || changed;
  }
  if (failure !== undefined) throw failure;
  return { state: { ...state, announcement }, announcedChanged: changed };
}

function factsOf(effects: ReconcileEffects, applied: boolean, services: number): AnnouncementFacts {
  return { drained: effects.drained(), devicesAttached: effects.devicesAttached(), applied, services };
}

async function announce(
  effects: ReconcileEffects,
  known: { readonly applied: boolean; readonly services: number },
): Promise<boolean> {
  const { device } = decideAnnouncement(factsOf(effects, known.applied, known.services));
  return device === 'leave' ? false : effects.setVip(device === 'up');
}
