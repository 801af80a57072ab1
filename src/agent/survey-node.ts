/** What this machine looks like to the agent: devices that are there, and what is wrong with them. */
import type { Config } from '../config/config.ts';
import type { ManagedDevice } from '../dataplane/device-links.ts';
import { familyOf, formatAddress, parseAddress } from '../net/address.ts';
import { lastOfRange } from '../net/address-range.ts';
import { formatPrefix, prefixContains } from '../net/prefix.ts';
import { type Egress, findEgress, ingressDevices } from '../node/egress-devices.ts';
import { type Link, listLinks, listOwnAddressesByDevice } from '../node/ip.ts';
import { checkOffloads } from '../node/offloads.ts';
import type { RunCommand } from '../node/run-command.ts';
import type { Problem } from '../services/desired-state.ts';
import { AgentError, exitCodes } from './exit-codes.ts';

export interface NodeSurvey {
  readonly links: readonly Link[];
  /** Of the configured devices, those that are there. */
  readonly devices: readonly ManagedDevice[];
  /** Configured, and not there. */
  readonly missing: readonly string[];
  readonly egress: readonly Egress[];
  /** Devices whose settings matter: the managed ones and VLANs on them. */
  readonly ingress: readonly string[];
  readonly problems: readonly Problem[];
}

const problem = (severity: Problem['severity'], code: string, message: string): Problem => ({
  severity,
  code,
  message,
});

/** Pure: from the links to what of the configuration is there. */
export function matchDevices(
  config: Pick<Config, 'devices'>,
  links: readonly Link[],
): Omit<NodeSurvey, 'problems'> {
  const names = config.devices.map(({ name }) => name);
  const devices = config.devices.flatMap(({ name, attach }) => {
    const link = links.find((candidate) => candidate.name === name);
    return link === undefined ? [] : [{ name, ifindex: link.ifindex, attach }];
  });
  return {
    links,
    devices,
    missing: names.filter((name) => !devices.some((device) => device.name === name)),
    egress: findEgress(links, names),
    ingress: ingressDevices(links, names),
  };
}

/** Pure: what is wrong with devices and addresses, in the operator's words. */
export function judgeNode(
  config: Pick<Config, 'snat' | 'devices'>,
  survey: Omit<NodeSurvey, 'problems'>,
  own: readonly string[],
): Problem[] {
  const problems = survey.missing.map((name) =>
    problem(
      'error',
      'device-missing',
      `devices: there is no device "${name}"; nothing is announced until it comes`,
    ),
  );
  for (const { name } of survey.devices) {
    const link = survey.links.find((candidate) => candidate.name === name);
    if (link?.up === false) {
      problems.push(problem('warning', 'device-down', `${name} is down; run: ip link set ${name} up`));
    }
  }
  const mine = own.flatMap((address) => parseAddress(address) ?? []);
  for (const range of config.snat.ranges) {
    const held = mine.filter(
      (address) =>
        familyOf(address) === familyOf(range.first) &&
        address >= range.first &&
        address <= lastOfRange(range),
    );
    if (range.own && held.length === 0) {
      const message = `snat.own: ${formatAddress(range.first)} is no address of this node; answers will not find it`;
      problems.push(problem('error', 'snat-own-missing', message));
    }
    if (!range.own && held[0] !== undefined) {
      const message =
        `snat.addresses: ${formatAddress(held[0])} is an address of this node, whose own connections would be dropped; ` +
        'take it out of the pool, or use snat.own';
      problems.push(problem('error', 'snat-address-own', message));
    }
  }
  return problems;
}

/** Throws an AgentError when an address of the node is inside a VIP range: packets to it would be dropped. */
export function refuseOwnVips(
  config: Pick<Config, 'vips'>,
  addresses: ReadonlyArray<{ readonly device: string; readonly address: string }>,
): void {
  for (const { device, address } of addresses) {
    if (device === config.vips.device.name) continue;
    const number = parseAddress(address);
    const range = config.vips.ranges.find((one) => number !== undefined && prefixContains(one, number));
    if (range === undefined) continue;
    throw new AgentError(
      exitCodes.configuration,
      `vips.ranges: ${formatPrefix(range)} holds ${address}, an address of ${device}: packets to it would be dropped; ` +
        'give ranges that only VIPs use',
    );
  }
}

export async function surveyNode(config: Config, run: RunCommand): Promise<NodeSurvey> {
  const matched = matchDevices(config, await listLinks(run));
  const own = await listOwnAddressesByDevice(run);
  const problems = judgeNode(
    config,
    matched,
    own.map(({ address }) => address),
  );
  for (const { name, attach } of matched.devices) {
    const vlans = matched.links.some((link) => link.parent === name);
    const warnings = await checkOffloads(run, name, attach, vlans);
    problems.push(...warnings.map(({ code, message }) => problem('warning', code, message)));
  }
  return { ...matched, problems };
}
