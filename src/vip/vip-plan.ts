/**
 * What the VIP device has to look like, as `ip` commands that take it there.
 * Pure: given what is there, says what to do.
 *
 * The device holds the first usable address of each VIP range with the range's
 * mask, so that the kernel has a connected route for the range while the
 * device is up, and takes no other address of it for its own.
 */
import { type Family, familyOf, formatAddress } from '../net/address.ts';
import { addressBits, deviceAddressOf, formatPrefix, type Prefix } from '../net/prefix.ts';
import type { InterfaceAddress } from '../node/ip.ts';

/** A policy rule by which packets for a range never follow a shorter route. */
export interface LoopRule {
  readonly priority: number;
  /** `10.1.0.0/24` */
  readonly range: string;
  readonly action: readonly string[];
  readonly family: Family;
}

/**
 * Unclaimed addresses of a range that is announced would follow the default route back to the router
 * while the device is down. A blackhole route for the range would end that loop too, but FRR's `network`
 * statement and everything that redistributes kernel routes would take it for a reason to announce, and
 * drain would not withdraw. Rules are no routes: the first lets only routes be used that are as specific
 * as the range, the second drops the rest.
 */
export function loopRules(ranges: readonly Prefix[]): LoopRule[] {
  return ranges.flatMap((range) => {
    const text = formatPrefix(range);
    const family = familyOf(range.network);
    const shorter = Math.max(range.length - 1, 0);
    return [
      {
        priority: 32000,
        range: text,
        family,
        action: ['lookup', 'main', 'suppress_prefixlength', String(shorter)],
      },
      { priority: 32001, range: text, family, action: ['blackhole'] },
    ];
  });
}

/** What the device should hold. A range of one or two addresses has none to spare. */
export function wantedAddresses(ranges: readonly Prefix[]): InterfaceAddress[] {
  return ranges.flatMap((range) => {
    const address = deviceAddressOf(range);
    return address === undefined ? [] : [{ address: formatAddress(address), prefixLength: range.length }];
  });
}

export const addressText = (one: InterfaceAddress): string => `${one.address}/${one.prefixLength}`;

/** A rule as `ip -j rule` prints it, and of which family it is. */
export interface JsonRule {
  readonly priority: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly suppress_prefixlen?: number;
  readonly action?: string;
  readonly family: Family;
}

export interface VipState {
  readonly addresses: readonly InterfaceAddress[];
  readonly rules: readonly JsonRule[];
}

export interface VipWish {
  readonly device: string;
  readonly ranges: readonly Prefix[];
  /** Addresses we may take away: all on a device we made, else those we put there. */
  readonly mayRemove: (address: string) => boolean;
  /** Ranges whose rules are ours from an earlier configuration. */
  readonly formerRanges: readonly Prefix[];
}

const ruleName = (rule: { priority: number; range: string }): string => `${rule.priority} ${rule.range}`;
const jsonRuleName = (rule: JsonRule): string =>
  `${rule.priority} ${rule.dst ?? ''}/${rule.dstlen ?? addressBits(rule.family)}`;

const ruleCommand = (verb: 'add' | 'del', rule: LoopRule): string[] => [
  ...(rule.family === 6 ? ['-6'] : []),
  'rule',
  verb,
  'pref',
  String(rule.priority),
  'to',
  rule.range,
  ...rule.action,
];

/** Commands for `ip`, in order; empty when all is as it should be. */
export function planVip(wish: VipWish, state: VipState): string[][] {
  const wanted = wantedAddresses(wish.ranges);
  const present = new Set(state.addresses.map(addressText));
  const wantedTexts = new Set(wanted.map(addressText));
  const rules = loopRules(wish.ranges);
  const wantedRules = new Set(rules.map(ruleName));
  const presentRules = new Set(state.rules.map(jsonRuleName));
  return [
    ...rules.filter((rule) => !presentRules.has(ruleName(rule))).map((rule) => ruleCommand('add', rule)),
    ...state.addresses
      .map(addressText)
      .filter((text) => !wantedTexts.has(text) && wish.mayRemove(text))
      .map((text) => ['addr', 'del', text, 'dev', wish.device]),
    ...wanted
      .map(addressText)
      .filter((text) => !present.has(text))
      // Nobody else is on the device who could have the address.
      .map((text) => ['addr', 'add', text, 'dev', wish.device, ...(text.includes(':') ? ['nodad'] : [])]),
    ...loopRules(wish.formerRanges)
      .filter((rule) => !wantedRules.has(ruleName(rule)) && presentRules.has(ruleName(rule)))
      .map((rule) => ruleCommand('del', rule)),
  ];
}
