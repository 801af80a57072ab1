/** Configurations, services and packets that the packet and differential tests are made of. */

import type { DsrConfig } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { DataplaneConfig } from '../../src/dataplane/program-config.ts';
import { formatAddress } from '../../src/net/address.ts';
import { type Prefix, parsePrefix } from '../../src/net/prefix.ts';
import type {
  DesiredBackend,
  DesiredService,
  Protocol,
  ServiceMode,
} from '../../src/services/desired-state.ts';
import { type Address, ip, ip6, ipText, isV6 } from '../model/bytes.ts';
import { mirror, mirrorText } from './network.ts';

export const VIP = ip('10.1.0.2');
export const OTHER_VIP = ip('10.1.0.3');
/** In the range, and no service has it. */
export const UNUSED_VIP = ip('10.1.0.9');
export const POOL = ip('192.0.2.16');
export const OWN = ip('10.9.0.254');
export const HASH_SEED = 0x9e3779b97f4a7c15n;

export interface ConfigOptions {
  /** The ranges, as in the configuration file. */
  readonly vips?: string;
  readonly ports?: { readonly min: number; readonly max: number };
  readonly sharedFlows?: number;
  readonly echo?: boolean;
  readonly reject?: Partial<DataplaneConfig['reject']>;
  readonly nextHops?: number;
  /** Default: snat. */
  readonly mode?: ServiceMode;
  /** What differs from {@link DSR}. */
  readonly dsr?: Partial<DsrConfig>;
}

/** Sources that vary in their last 16 bits. */
const DSR: DsrConfig = {
  source: ['172.20.0.0/16', 'fd00:20::/112'].map(prefix),
  guePort: 6080,
  window: { tcp: 900_000, udp: 40_000 },
  rememberedFlows: 64,
  rememberPerSecond: 1000,
};

/** Throws on what is none. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
}

/** Two addresses from the first on, and the same mirrored. */
const bothFamilies = (first: number): string =>
  [ipText, (v4: number) => mirrorText(ipText(v4))]
    .map((text) => `${text(first)}-${text(first + 1)}`)
    .join(', ');

const VIPS = `10.1.0.0/24, 10.1.7.128/25, ${mirrorText('10.1.0.0')}/64, ${mirrorText('10.1.7.0')}/64`;

/** Of each family two SNAT addresses of a pool, and the node's own. */
export function testConfig(options: ConfigOptions = {}): DataplaneConfig {
  const config = parseConfig(
    [
      'node: test',
      `vips: { ranges: [${options.vips ?? VIPS}] }`,
      'devices: [{ name: lan }]',
      `snat: { addresses: [${bothFamilies(POOL)}] }`,
    ].join('\n'),
    'test',
  );
  return {
    vips: { ...config.vips, echo: options.echo ?? true },
    mode: options.mode ?? config.mode,
    dsr: { ...DSR, ...options.dsr },
    snat: {
      ranges: [
        ...config.snat.ranges,
        { first: OWN, count: 1, own: true },
        { first: mirror(OWN), count: 1, own: true },
      ].sort((a, b) => Number(isV6(a.first)) - Number(isV6(b.first))),
      ports: options.ports ?? { min: 2000, max: 2019 },
      sharedFlows: options.sharedFlows ?? 16,
    },
    timeouts: {
      tcpSyn: 10_000,
      tcpEstablished: 1_000_000,
      tcpHalfClosed: 120_000,
      tcpClosed: 60_000,
      udp: 30_000,
      udpReplied: 90_000,
    },
    reject: { unknownPort: true, noBackend: true, noFlow: true, perSecond: 1000, ...options.reject },
    limits: { services: 32, backends: 256, slots: 65_536, nextHops: options.nextHops ?? 64 },
  };
}

export const addressText = (address: Address): string =>
  isV6(address) ? formatAddress(address) : ipText(address);

const addressOf = (text: string): Address => (text.includes(':') ? ip6(text) : ip(text));

export const service = (
  vip: Address,
  port: number,
  protocol: Protocol,
  backends: ReadonlyArray<Partial<DesiredBackend> & { address: string; port: number }>,
): DesiredService => ({
  frontend: { vip: addressText(vip), port, protocol },
  namespace: 'test',
  name: `${addressText(vip)}-${port}-${protocol}`.toLowerCase(),
  type: 'ExternalIPs',
  mode: 'snat',
  tableSize: 251,
  backends: sorted(backends.map((backend) => ({ weight: 1, state: 'active' as const, ...backend }))),
});

/** As the agent has them. */
export const sorted = (backends: readonly DesiredBackend[]): DesiredBackend[] =>
  [...backends].sort(
    (a, b) =>
      (addressOf(a.address) < addressOf(b.address) ? -1 : Number(a.address !== b.address)) || a.port - b.port,
  );

export const at = (address: string, port: number) => ({ address, port });
