/**
 * The device that holds the VIP ranges. Up says "announce me" to BIRD or FRR,
 * down says "do not"; making or repairing it never changes which.
 */
import { rmSync } from 'node:fs';
import { formatPrefix, type Prefix } from '../net/prefix.ts';
import { findLink, ipIdempotent, type Link, listAddresses } from '../node/ip.ts';
import { CommandError, type RunCommand, runChecked } from '../node/run-command.ts';
import type { NodeIdentity } from '../node/sysctl-record.ts';
import { addressText, type JsonRule, planVip, wantedAddresses } from './vip-plan.ts';
import { rangesOf, readVipRecord, type VipRecord, writeVipRecord } from './vip-record.ts';

export interface VipDeviceOptions {
  readonly name: string;
  readonly kind: 'dummy' | 'ifb' | 'existing';
  readonly ranges: readonly Prefix[];
  /** Where what was made is recorded. */
  readonly recordFile: string;
  readonly identity: NodeIdentity;
  readonly run: RunCommand;
}

/** The device cannot be made or used; the message says what to do. */
export class VipDeviceError extends Error {
  override readonly name = 'VipDeviceError';
}

export interface VipDeviceState {
  readonly present: boolean;
  readonly up: boolean;
  readonly addresses: readonly string[];
}

async function makeLink(options: VipDeviceOptions): Promise<void> {
  const { name, kind, run } = options;
  if (kind === 'existing') {
    throw new VipDeviceError(
      `vips.device: there is no device "${name}", and kind is "existing"; make it, or set kind to "dummy"`,
    );
  }
  const result = await run('ip', ['link', 'add', 'name', name, 'type', kind]);
  if (result.code === 0 || /File exists/.test(result.stderr)) return;
  if (/Unknown device type|not supported/i.test(result.stderr)) {
    const remedy =
      kind === 'dummy'
        ? 'load it (modprobe dummy), or name a stand-in in the configuration: vips.device.kind: ifb'
        : `load it (modprobe ${kind}), or make a device yourself and set vips.device.kind: existing`;
    throw new VipDeviceError(`this kernel has no "${kind}" driver for the VIP device "${name}"; ${remedy}`);
  }
  throw new CommandError('ip', ['link', 'add', 'name', name, 'type', kind], result);
}

function checkKind(options: VipDeviceOptions, link: Link): void {
  const { name, kind } = options;
  if (kind === 'existing' || link.kind === kind) return;
  throw new VipDeviceError(
    `vips.device: "${name}" exists and is a ${link.kind ?? 'physical'} device, not ${kind}; ` +
      'give another name, or set vips.device.kind: existing if it is meant',
  );
}

/** Makes the device when it is missing, adopts it when it is there, repairs its addresses. Returns what it did. */
export async function ensureVipDevice(options: VipDeviceOptions): Promise<string[]> {
  const { name, ranges, run, recordFile, identity } = options;
  const done: string[] = [];
  // Another name than before: the old device must not go on announcing.
  if (readVipRecord(recordFile, identity)?.device !== name) done.push(...(await removeVipDevice(options)));
  const former = readVipRecord(recordFile, identity);
  const link = await findLink(run, name);
  const next: VipRecord = {
    ...identity,
    device: name,
    made: link === undefined ? options.kind !== 'existing' : (former?.made ?? false),
    addresses: [...new Set([...(former?.addresses ?? []), ...wantedAddresses(ranges).map(addressText)])],
    ranges: [...(former?.ranges ?? []), ...ranges.map(formatPrefix)],
  };
  if (link !== undefined) checkKind(options, link);
  // What is about to be made is on record first: killed in between, cleanup knows of it.
  const settled = {
    ...next,
    addresses: wantedAddresses(ranges).map(addressText),
    ranges: ranges.map(formatPrefix),
  };
  const changes = JSON.stringify(former) !== JSON.stringify(settled);
  if (changes || link === undefined) writeVipRecord(recordFile, next);
  if (link === undefined) {
    await makeLink(options);
    done.push(`made ${options.kind} device ${name}`);
  }
  const commands = planVip(
    {
      device: name,
      ranges,
      mayRemove: (address) => next.made || (former?.addresses ?? []).includes(address),
      formerRanges: former === undefined ? [] : rangesOf(former),
    },
    { addresses: await listAddresses(run, name), rules: await listRules(run) },
  );
  for (const command of commands) {
    await ipIdempotent(run, command);
    done.push(`ip ${command.join(' ')}`);
  }
  if (changes) writeVipRecord(recordFile, settled);
  return done;
}

async function listRules(run: RunCommand): Promise<JsonRule[]> {
  const rules: JsonRule[] = [];
  for (const family of [4, 6] as const) {
    const { code, stdout, stderr } = await run('ip', [`-${family}`, '-j', 'rule', 'show']);
    // A kernel without IPv6 has no rules of it.
    if (code !== 0 && family === 4)
      throw new CommandError('ip', ['-4', '-j', 'rule'], { code, stdout, stderr });
    const found =
      code !== 0 || stdout.trim() === '' ? [] : (JSON.parse(stdout) as Array<Omit<JsonRule, 'family'>>);
    rules.push(...found.map((rule) => ({ ...rule, family })));
  }
  return rules;
}

/** Announce or withdraw: the device's administrative state. True when it had to be changed. */
export async function setVipDeviceUp(run: RunCommand, name: string, up: boolean): Promise<boolean> {
  const link = await findLink(run, name);
  if (link === undefined) {
    if (!up) return false;
    throw new VipDeviceError(`the VIP device "${name}" is gone`);
  }
  if (link.up === up) return false;
  await runChecked(run, 'ip', ['link', 'set', 'dev', name, up ? 'up' : 'down']);
  return true;
}

export async function readVipDevice(run: RunCommand, name: string): Promise<VipDeviceState> {
  const link = await findLink(run, name);
  if (link === undefined) return { present: false, up: false, addresses: [] };
  return { present: true, up: link.up, addresses: (await listAddresses(run, name)).map(addressText) };
}

/**
 * Takes away what the agent made: the device if it was its own, else the addresses it put there and the
 * up state, which would announce what nobody serves. Idempotent; returns what it did.
 */
export async function removeVipDevice(
  options: Pick<VipDeviceOptions, 'recordFile' | 'identity' | 'run'>,
): Promise<string[]> {
  const { recordFile, identity, run } = options;
  const record = readVipRecord(recordFile, identity);
  if (record === undefined) return [];
  const done: string[] = [];
  const link = await findLink(run, record.device);
  if (link !== undefined && record.made) {
    await ipIdempotent(run, ['link', 'del', 'dev', record.device]);
    done.push(`removed device ${record.device}`);
  } else if (link !== undefined) {
    if (await setVipDeviceUp(run, record.device, false)) done.push(`set ${record.device} down`);
    for (const address of record.addresses) {
      await ipIdempotent(run, ['addr', 'del', address, 'dev', record.device]);
      done.push(`removed ${address} from ${record.device}`);
    }
  }
  const rules = planVip(
    { device: record.device, ranges: [], mayRemove: () => false, formerRanges: rangesOf(record) },
    { addresses: [], rules: await listRules(run) },
  );
  for (const rule of rules) {
    await ipIdempotent(run, rule);
    done.push(`ip ${rule.join(' ')}`);
  }
  rmSync(recordFile, { force: true });
  return done;
}
