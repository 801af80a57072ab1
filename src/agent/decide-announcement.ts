/**
 * Announce the VIP ranges, withdraw them, or leave it as it is. Pure.
 *
 * Announced is only what can be served; and what an earlier agent announced is
 * not withdrawn for want of knowledge, because the maps it left go on serving.
 */

export interface AnnouncementFacts {
  /** An operator said so; nothing else matters then. */
  readonly drained: boolean;
  /** Every configured device has our program. */
  readonly devicesAttached: boolean;
  /** The source has given a complete list, and it has been applied since the agent started. */
  readonly applied: boolean;
  /** Services in the maps, by whichever agent. */
  readonly services: number;
}

export type AnnounceReason = 'serving' | 'drained' | 'unhealthy' | 'no-services' | 'not-synced';

export interface Announcement {
  readonly device: 'up' | 'down' | 'leave';
  readonly reason: AnnounceReason;
}

export function decideAnnouncement(facts: AnnouncementFacts): Announcement {
  if (facts.drained) return { device: 'down', reason: 'drained' };
  if (!facts.devicesAttached) return { device: 'down', reason: 'unhealthy' };
  // With no service at all, every packet that the announcement attracts would be dropped.
  if (facts.services === 0) {
    return facts.applied
      ? { device: 'down', reason: 'no-services' }
      : { device: 'down', reason: 'not-synced' };
  }
  return facts.applied ? { device: 'up', reason: 'serving' } : { device: 'leave', reason: 'not-synced' };
}
