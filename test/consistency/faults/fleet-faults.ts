/** Small wrong edits of the agent's code, each of which lets a flow move or nodes disagree. */
export interface FleetFault {
  readonly name: string;
  /** In src/. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
}

const fault = (name: string, file: string, from: string, to: string): FleetFault => ({
  name,
  file,
  from,
  to,
});

const PLAN = 'consistency/plan-window.ts';
const SETTLE = 'consistency/settle-window.ts';
const TRACK = 'dataplane/track-change.ts';

export const FLEET_FAULTS: readonly FleetFault[] = [
  fault('no slot is tracked', PLAN, 'slots[slot] = owner | TRACKED;', 'slots[slot] = owner;'),
  fault(
    'a tracked slot keeps its live owner',
    PLAN,
    'slots[slot] = owner | TRACKED;',
    'slots[slot] = ((live[slot] as number) & OWNER) | TRACKED;',
  ),
  fault(
    'a slot that comes back to its oldest owner is not tracked any more',
    PLAN,
    'if ((before & TRACKED) !== 0) sticky[slot] = 1;',
    '',
  ),
  fault(
    'the oldest owners are those of the last change',
    PLAN,
    'const former = oldest ?? (isOpened ? live : undefined);',
    'const former = isOpened ? live : oldest;',
  ),
  fault(
    'an oldest owner that is gone is replaced by the new one',
    PLAN,
    'return last === NOBODY ? (next[middleSlot(slot, size, next.length)] as number) : last;',
    'return last === NOBODY ? last : (next[middleSlot(slot, size, next.length)] as number);',
  ),
  fault('slots flip too early', SETTLE, '> window) flips', '> window / 4) flips'),
  fault(
    'remembered flows are idle too early',
    SETTLE,
    'flow.idle > flow.timeout',
    'flow.idle > flow.timeout / 50',
  ),
  fault(
    'slots are cleared though a flow is remembered in them',
    SETTLE,
    'if (settled(slot) && !remembered(slot)) clear.push(slot);',
    'if (settled(slot)) clear.push(slot);',
  ),
  fault(
    'slots that have not flipped are cleared',
    SETTLE,
    'if (settled(slot) && !remembered(slot)) clear.push(slot);',
    'if (!remembered(slot)) clear.push(slot);',
  ),
  fault(
    'a window is over when half of it is',
    'dataplane/service-window.ts',
    '+ clock.hz > window.length;',
    '+ clock.hz > window.length / 2;',
  ),
  fault(
    'a window that goes on keeps its start',
    TRACK,
    'if (plan.isOpened) {',
    'if (plan.isOpened && window.oldest.sizeClass === 0) {',
  ),
  fault(
    'owners are taken over by their place',
    TRACK,
    'names[position] = member.index - block;',
    'names[position] = position;',
  ),
  fault(
    'a service without an active backend has no table',
    'dataplane/plan.ts',
    "const rest = !isActive && desired.mode !== 'snat' ? 1 : 0;",
    'const rest = 0;',
  ),
  fault(
    'backends that drain are left out',
    'services/select-backends.ts',
    'return all.map((candidate) => backendOf(candidate, rank(candidate) === chosen));',
    'return all.filter((candidate) => rank(candidate) === chosen).map((candidate) => backendOf(candidate, true));',
  ),
];
