/** Which drop reasons and events the tests of one path have to reach. */
import { dropReason, eventKind } from '../../src/layout/generated.ts';

/** Of services with DSR only; test/packet/dsr reaches them. */
const OF_DSR = ['DROP_OFF_SEGMENT', 'EVENT_REMEMBERED', 'EVENT_NOT_REMEMBERED'];
const OF_NONE = ['DROP_NONE', 'DROP_REASONS', 'EVENT_KINDS'];

/** Everything that can become of a packet. */
export const OUTCOMES: readonly string[] = [...Object.keys(dropReason), ...Object.keys(eventKind)].filter(
  (name) => !OF_NONE.includes(name),
);

/** The same of a service in SNAT mode. */
export const SNAT_OUTCOMES: readonly string[] = OUTCOMES.filter((name) => !OF_DSR.includes(name));
