/**
 * The ways a packet can travel from client to backend, each as a Service with
 * a VIP and a backend of its own: so none finds what another one has learned.
 */

import type { ServiceMode } from '../../../src/services/desired-state.ts';

export type IpVersion = 4 | 6;

export interface TrafficPath {
  /** The Service's name. */
  readonly name: string;
  readonly mode: ServiceMode;
  /** Of the VIP, and so of client and backend. */
  readonly family: IpVersion;
  /** Of the outer header, where there is one. */
  readonly outer: IpVersion;
  readonly vip: string;
  /** Where the server listens, in the family of the VIP. */
  readonly server: string;
  /** What the EndpointSlice says: `server`, or the pod's address in the other family. */
  readonly endpoint: string;
  /** The way from LB node to backend has only NARROW_MTU. */
  readonly narrow: boolean;
  /** Ports of the VIP; the server's are POD_PORTS, which only the node program and SNAT translate to. */
  readonly ports: Readonly<Record<'web' | 'dns' | 'echo', number>>;
}

/** Bytes of IP packet that fit the way to the backends of narrow paths; others have SEGMENT_MTU. */
export const NARROW_MTU = 1400;

const TRANSLATED = { web: 80, dns: 53, echo: 7 };
const UNTRANSLATED = { web: 8080, dns: 5353, echo: 7007 };

interface Kind {
  readonly name: string;
  readonly mode: ServiceMode;
  readonly family: IpVersion;
  readonly outer?: IpVersion;
}

const KINDS: readonly Kind[] = [
  { name: 'snat4', mode: 'snat', family: 4 },
  { name: 'snat6', mode: 'snat', family: 6 },
  { name: '4in4', mode: 'ipip', family: 4 },
  { name: '6in6', mode: 'ipip', family: 6 },
  { name: '4in6', mode: 'ipip', family: 4, outer: 6 },
  { name: '6in4', mode: 'ipip', family: 6, outer: 4 },
  { name: 'gue4', mode: 'gue', family: 4 },
  { name: 'gue6', mode: 'gue', family: 6 },
  { name: 'l2-4', mode: 'l2', family: 4 },
  { name: 'l2-6', mode: 'l2', family: 6 },
];

const FIRST = 10;

/** Pods are behind the worker; in mode l2 the server is a host of the segment that has the VIP itself. */
export function podAddress(family: IpVersion, narrow: boolean, number: number): string {
  const network = narrow ? 2 : 1;
  return family === 4 ? `10.40.${network}.${number}` : `2001:db8:40:${network}::${number}`;
}

export function vipAddress(family: IpVersion, number: number): string {
  return family === 4 ? `10.1.0.${number}` : `2001:db8:1::${number}`;
}

function hostAddress(family: IpVersion, number: number): string {
  return family === 4 ? `10.20.0.${number}` : `2001:db8:20::${number}`;
}

function makePath(
  { name, mode, family, outer = family }: Kind,
  narrow: boolean,
  number: number,
): TrafficPath {
  const vip = vipAddress(family, number);
  const shared = { name: narrow ? `${name}-narrow` : name, mode, family, outer, vip, narrow };
  if (mode === 'l2') {
    return { ...shared, server: vip, endpoint: hostAddress(family, number), ports: UNTRANSLATED };
  }
  return {
    ...shared,
    server: podAddress(family, narrow, number),
    endpoint: podAddress(outer, narrow, number),
    ports: TRANSLATED,
  };
}

export const WIDE_PATHS: readonly TrafficPath[] = KINDS.map((kind, at) => makePath(kind, false, FIRST + at));
export const NARROW_PATHS: readonly TrafficPath[] = KINDS.map((kind, at) =>
  makePath(kind, true, FIRST + KINDS.length + at),
);

/** The number in VIP and addresses of a path. */
export function numberOf(path: TrafficPath): number {
  return FIRST + [...WIDE_PATHS, ...NARROW_PATHS].indexOf(path);
}
