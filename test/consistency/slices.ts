/** A Service and its EndpointSlices as they change, one slice at a time, and what a node makes of those it saw. */
import { parsePrefix } from '../../src/net/prefix.ts';
import { buildDesiredState } from '../../src/services/build-desired-state.ts';
import type { DesiredService } from '../../src/services/desired-state.ts';
import type { ServiceSettings } from '../../src/services/service-settings.ts';
import type { Endpoint, EndpointSlice, Service } from '../../src/sources/kube-objects.ts';
import type { Random } from '../differential/random.ts';

export const VIP = '10.1.0.2';
export const PORT = 80;
/** Milliseconds. */
export const WINDOW = { tcp: 900_000, udp: 20_000 } as const;
export const SLICES = ['web-a', 'web-b', 'web-c'] as const;
export type SliceName = (typeof SLICES)[number];
const HOSTS = 7;

export interface FleetVariant {
  readonly protocol: 'TCP' | 'UDP';
  readonly affinity: boolean;
}

/** Each slice with all the versions that it had, the first one empty. */
export type SliceVersions = Readonly<Record<SliceName, EndpointSlice[]>>;
/** By slice the number of the version that a node saw last. */
export type View = Record<SliceName, number>;

const SETTINGS: ServiceSettings = {
  ranges: [parsePrefix('10.1.0.0/24')].filter((range) => range !== undefined),
  defaultTableSize: 251,
  backends: undefined,
  mode: 'ipip',
  snatFamilies: [],
  dsr: { sourceFamilies: [4], window: WINDOW },
};

function slice(name: SliceName, protocol: 'TCP' | 'UDP', endpoints: readonly Endpoint[]): EndpointSlice {
  const ports = [{ name: '', port: PORT, protocol }];
  return {
    kind: 'EndpointSlice',
    namespace: 'test',
    name,
    service: 'web',
    annotations: {},
    addressType: 'IPv4',
    ports,
    endpoints,
  };
}

const ready = (host: number): Endpoint => ({
  addresses: [`10.0.0.${host}`],
  ready: true,
  serving: true,
  terminating: false,
});

export function firstSlices({ protocol }: FleetVariant): SliceVersions {
  return {
    'web-a': [slice('web-a', protocol, [ready(1), ready(2)])],
    'web-b': [slice('web-b', protocol, [ready(3)])],
    'web-c': [slice('web-c', protocol, [])],
  };
}

/** A new version of one slice, or of two when an endpoint moves from one to the other. */
export function changeSlices(random: Random, slices: SliceVersions, { protocol }: FleetVariant): void {
  if (random.chance(0.08)) {
    turnAll(random, slices, protocol);
    return;
  }
  const name = random.pick(SLICES);
  const endpoints = latest(slices, name).endpoints;
  const publish = (of: SliceName, next: readonly Endpoint[]): void =>
    void slices[of].push(slice(of, protocol, next));
  const at = endpoints.length === 0 ? -1 : random.below(endpoints.length);
  const chosen = endpoints[at];
  const others = endpoints.filter((_, i) => i !== at);
  if (chosen === undefined || random.chance(0.3)) {
    const host = 1 + random.below(HOSTS);
    const isThere = endpoints.some(({ addresses }) => addresses[0] === `10.0.0.${host}`);
    publish(name, isThere ? others : [...endpoints, ready(host)]);
  } else if (random.chance(0.15)) {
    const to = random.pick(SLICES.filter((other) => other !== name));
    publish(to, [...latest(slices, to).endpoints.filter(isOther(chosen)), chosen]);
    publish(name, others);
  } else {
    publish(name, [...others, ...turned(random, chosen)]);
  }
}

/** No endpoint of the Service is ready, or all are again. */
function turnAll(random: Random, slices: SliceVersions, protocol: 'TCP' | 'UDP'): void {
  const isReady = random.chance(0.4);
  for (const name of SLICES) {
    const { endpoints } = latest(slices, name);
    if (endpoints.length === 0) continue;
    const turnedAll = endpoints.map((each) => ({
      ...each,
      ready: isReady,
      serving: isReady,
      terminating: false,
    }));
    slices[name].push(slice(name, protocol, turnedAll));
  }
}

const isOther =
  ({ addresses }: Endpoint) =>
  (other: Endpoint): boolean =>
    other.addresses[0] !== addresses[0];

/** Not ready, terminating, gone, or as if nothing had been. */
function turned(random: Random, endpoint: Endpoint): Endpoint[] {
  const is = (isReady: boolean, serving: boolean, terminating: boolean): Endpoint[] => [
    { ...endpoint, ready: isReady, serving, terminating },
  ];
  return random.weighted<() => Endpoint[]>([
    [3, () => is(false, true, true)],
    [1, () => is(false, false, true)],
    [2, () => is(false, false, false)],
    [3, () => is(true, true, false)],
    [3, () => []],
  ])();
}

export const latest = (slices: SliceVersions, name: SliceName): EndpointSlice =>
  slices[name].at(-1) as EndpointSlice;

export const newest = (slices: SliceVersions): View => ({
  'web-a': slices['web-a'].length - 1,
  'web-b': slices['web-b'].length - 1,
  'web-c': slices['web-c'].length - 1,
});

/** Ready or not: what decides whether a backend is there. */
export const isInSomeSlice = (view: View, slices: SliceVersions, endpoint: string): boolean =>
  SLICES.some((name) =>
    slices[name][view[name]]?.endpoints.some(({ addresses }) => `${addresses[0]}:${PORT}` === endpoint),
  );

/** In the order in which the node came to know its slices. */
export function desiredBy(
  view: View,
  order: readonly SliceName[],
  slices: SliceVersions,
  { protocol, affinity }: FleetVariant,
): DesiredService {
  const service: Service = {
    kind: 'Service',
    namespace: 'test',
    name: 'web',
    annotations: {},
    type: 'LoadBalancer',
    externalIPs: [],
    ingress: [{ ip: VIP }],
    ports: [{ name: '', port: PORT, protocol }],
    publishNotReadyAddresses: false,
    sessionAffinity: affinity ? 'ClientIP' : 'None',
    ...(affinity ? { affinitySeconds: WINDOW.tcp / 1000 } : {}),
    externalTrafficPolicy: 'Cluster',
    loadBalancerSourceRanges: [],
  };
  const seen = order.map((name) => slices[name][view[name]] as EndpointSlice);
  const [desired] = buildDesiredState([service], seen, SETTINGS).services;
  if (desired === undefined) throw new Error('the service has no frontend');
  return desired;
}
