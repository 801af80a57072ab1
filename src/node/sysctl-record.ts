/**
 * Kernel settings the agent changed, so that cleanup can put them back.
 *
 * The record is written before the setting: killed in between, cleanup finds
 * the value it would restore. What somebody else changed meanwhile is left
 * alone and reported. A record of another boot or another network namespace
 * says nothing about this one and is dropped.
 */
import { readlinkSync } from 'node:fs';
import { readFileIfThere, writeFileAtomic } from './atomic-file.ts';
import { formatPortList, parsePortList, subtractPortLists } from './port-list.ts';
import type { Sysctls } from './sysctl.ts';
import { RESERVED_PORTS, type SysctlWish } from './sysctl-plan.ts';

export interface SysctlEntry {
  readonly path: string;
  /** As it was when the agent first saw it. */
  readonly before: string;
  /** What the agent wrote. */
  readonly written: string;
  /** Which incarnation of the device it belongs to. */
  readonly ifindex?: number;
}

/** In the order written; restored in the opposite order. */
export interface SysctlRecord {
  readonly boot: string;
  readonly namespace: string;
  readonly entries: readonly SysctlEntry[];
}

/** What identifies the kernel state a record talks about. */
export interface NodeIdentity {
  readonly boot: string;
  readonly namespace: string;
}

export function nodeIdentity(): NodeIdentity {
  return {
    boot: (readFileIfThere('/proc/sys/kernel/random/boot_id') ?? '').trim(),
    namespace: readlinkSync('/proc/self/ns/net'),
  };
}

/** The record, empty when there is none, it is of another node state, or it cannot be read. */
export function readSysctlRecord(file: string, identity: NodeIdentity): SysctlRecord {
  const empty = { ...identity, entries: [] };
  const text = readFileIfThere(file);
  if (text === undefined) return empty;
  try {
    const record = JSON.parse(text) as SysctlRecord;
    const same = record.boot === identity.boot && record.namespace === identity.namespace;
    return same && Array.isArray(record.entries) ? record : empty;
  } catch {
    return empty;
  }
}

export interface SysctlChange {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

export interface SysctlContext {
  readonly sysctls: Sysctls;
  readonly file: string;
  readonly identity: NodeIdentity;
  /** undefined when the device is not there. */
  readonly ifindexOf: (device: string) => number | undefined;
}

/** Makes the wishes true; returns what was changed. Nothing is written that is so already. */
export function applySysctls(context: SysctlContext, wishes: readonly SysctlWish[]): SysctlChange[] {
  const { sysctls, file, identity } = context;
  const changes: SysctlChange[] = [];
  for (const wish of wishes) {
    const current = sysctls.read(wish.path);
    if (current === undefined || current === wish.value) continue;
    const record = readSysctlRecord(file, identity);
    const ifindex = wish.device === undefined ? undefined : context.ifindexOf(wish.device);
    const known = record.entries.find((entry) => entry.path === wish.path && entry.ifindex === ifindex);
    const entry: SysctlEntry = {
      path: wish.path,
      before: known?.before ?? current,
      written: wish.value,
      ...(ifindex === undefined ? {} : { ifindex }),
    };
    const others = record.entries.filter((other) => other.path !== wish.path);
    writeFileAtomic(file, `${JSON.stringify({ ...identity, entries: [...others, entry] }, null, 2)}\n`);
    if (sysctls.write(wish.path, wish.value))
      changes.push({ path: wish.path, from: current, to: wish.value });
  }
  return changes;
}

export interface RestoreReport {
  readonly restored: SysctlChange[];
  /** Changed by somebody else meanwhile, or no longer there. */
  readonly left: Array<{ path: string; why: string }>;
}

/** Puts everything back, last change first, and empties the record as it goes. Idempotent. */
export function restoreSysctls(context: SysctlContext): RestoreReport {
  const { file, identity } = context;
  const report: RestoreReport = { restored: [], left: [] };
  let entries = [...readSysctlRecord(file, identity).entries];
  for (const entry of [...entries].reverse()) {
    restoreOne(context, entry, report);
    entries = entries.filter((other) => other !== entry);
    writeFileAtomic(file, `${JSON.stringify({ ...identity, entries }, null, 2)}\n`);
  }
  return report;
}

function restoreOne(context: SysctlContext, entry: SysctlEntry, report: RestoreReport): void {
  const { sysctls } = context;
  const current = sysctls.read(entry.path);
  const device = /^net\/ipv[46]\/conf\/(.+)\/[a-z_]+$/.exec(entry.path)?.[1] ?? '';
  if (current === undefined) {
    report.left.push({ path: entry.path, why: 'is no longer there' });
    return;
  }
  if (entry.ifindex !== undefined && context.ifindexOf(device) !== entry.ifindex) {
    report.left.push({ path: entry.path, why: 'belongs to a device that was made anew since' });
    return;
  }
  if (current === entry.before) return;
  let target = entry.before;
  if (current !== entry.written) {
    if (entry.path !== RESERVED_PORTS) {
      report.left.push({ path: entry.path, why: `somebody changed it to ${current} since` });
      return;
    }
    const added = subtractPortLists(parsePortList(entry.written), parsePortList(entry.before));
    target = formatPortList(subtractPortLists(parsePortList(current), added));
  }
  sysctls.write(entry.path, target);
  report.restored.push({ path: entry.path, from: current, to: target });
}
