/** What forward packets and answers do to a flow's record (docs/packet-path.md, sections 4 and 8). */
import type { Run } from './run.ts';
import { age, type Backend, type FlowRecord, type Forward, recordAt } from './state.ts';

/** Its entry is free, or lives another life than the flow remembers. */
export function backendOf(run: Run, index: number, generation: number): Backend | undefined {
  const backend = run.state.backends.get(index);
  return backend && backend.state !== 'BACKEND_FREE' && backend.generation === generation
    ? backend
    : undefined;
}

/** The record of a forward half, or undefined: the forward half is an orphan. */
export function recordOf(run: Run, flow: Forward): FlowRecord | undefined {
  const record = recordAt(run.state, flow.record);
  const lives = record.state !== 'FLOW_FREE' && record.state !== 'FLOW_CLAIMED' && !record.detached;
  return lives && record.generation === flow.recordGeneration ? record : undefined;
}

/** The record holds its port for the hold time, and belongs to no forward half any more. */
export function detach(run: Run, flow: Forward): void {
  const record = recordOf(run, flow);
  if (record === undefined) return;
  if (record.state !== 'FLOW_CLOSED') record.seen = run.now;
  record.state = 'FLOW_CLOSED';
  record.detached = true;
}

export const isExpired = (run: Run, record: FlowRecord): boolean =>
  age(run.now, record.seen) > run.state.config.timeout[record.state];

/** What a FIN or RST makes of a TCP flow; `from` is who sent it. */
export function closeBy(
  run: Run,
  record: FlowRecord,
  from: 'client' | 'backend',
  tcp: { fin: boolean; rst: boolean },
): void {
  const before = record.state;
  const other = from === 'client' ? 'FLOW_FIN_BACKEND' : 'FLOW_FIN_CLIENT';
  if (tcp.rst) record.state = 'FLOW_CLOSED';
  else if (tcp.fin && before === other) record.state = 'FLOW_CLOSED';
  else if (tcp.fin && (before === 'FLOW_ESTABLISHED' || before === 'FLOW_SYN')) {
    record.state = from === 'client' ? 'FLOW_FIN_CLIENT' : 'FLOW_FIN_BACKEND';
  }
  if ((tcp.rst || tcp.fin) && before !== 'FLOW_CLOSED') record.seen = run.now;
}
