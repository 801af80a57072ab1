/** Short ways to write the objects of the tests here. */
import { withPort } from '../../../src/net/with-port.ts';
import { buildDesiredState } from '../../../src/services/build-desired-state.ts';
import type { ServiceSettings } from '../../../src/services/service-settings.ts';
import type {
  Endpoint,
  EndpointSlice,
  KubeNode,
  Origin,
  Service,
} from '../../../src/sources/kube-objects.ts';

export const SETTINGS: ServiceSettings = {
  ranges: [
    { network: 0x0a010000, length: 24 },
    { network: 0x0a640000, length: 31 },
    { network: 0x20010db8_00010000_00000000_00000000n, length: 64 },
  ],
  defaultTableSize: 4099,
  backends: { kind: 'pods', nodes: true },
  mode: 'snat',
  snatFamilies: [4, 6],
  dsr: { sourceFamilies: [4, 6], window: { tcp: 900_000, udp: 30_000 } },
};

export function origin(file: string, line = 1, lines: Record<string, number> = {}): Origin {
  return { file, line, lines };
}

/** Service test/web on 10.1.0.2:80/TCP with one port named http. */
export function service(changes: Partial<Service> = {}): Service {
  return {
    kind: 'Service',
    namespace: 'test',
    name: 'web',
    annotations: {},
    type: 'ClusterIP',
    externalIPs: ['10.1.0.2'],
    ingress: [],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    publishNotReadyAddresses: false,
    sessionAffinity: 'None',
    externalTrafficPolicy: 'Cluster',
    loadBalancerSourceRanges: [],
    ...changes,
  };
}

/** A slice of test/web without endpoints; its port http is 8080. */
export function slice(changes: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    namespace: 'test',
    name: 'web-1',
    annotations: {},
    service: 'web',
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [],
    ...changes,
  };
}

/** `w1 10.3.0.1`, more addresses behind it; and `!ready`, `excluded`, `leaving`, `lb`. */
export function node(text: string): KubeNode {
  const [name = '', ...words] = text.split(' ');
  return {
    kind: 'Node',
    namespace: '',
    name,
    annotations: {},
    internalIPs: words.filter((word) => /[.:]/.test(word)),
    ready: !words.includes('!ready'),
    excluded: words.includes('excluded'),
    leaving: words.includes('leaving'),
    isLb: words.includes('lb'),
  };
}

/** `10.2.0.5` ready; behind the address: `!ready`, `!serving`, `terminating`, `@node`. */
export function endpoint(text: string): Endpoint {
  const [address = '', ...conditions] = text.split(' ');
  const ready = !conditions.includes('!ready');
  const on = conditions.find((word) => word.startsWith('@'))?.slice(1);
  return {
    addresses: [address],
    ready,
    serving: !conditions.includes('!serving'),
    terminating: conditions.includes('terminating'),
    ...(on === undefined ? {} : { node: on }),
  };
}

export function build(
  services: readonly Service[],
  slices: readonly EndpointSlice[] = [],
  settings: ServiceSettings = SETTINGS,
  nodes: readonly KubeNode[] = [],
) {
  return buildDesiredState(services, slices, settings, nodes);
}

/** `10.1.0.2:80/TCP test/web` */
export function frontendsOf(services: readonly Service[]): string[] {
  return build(services).services.map(
    ({ frontend: { vip, port, protocol }, namespace, name }) =>
      `${withPort(vip, port)}/${protocol} ${namespace}/${name}`,
  );
}

/** `error code` of each problem. */
export function problemsOf(services: readonly Service[], slices: readonly EndpointSlice[] = []): string[] {
  return build(services, slices).problems.map(({ severity, code }) => `${severity} ${code}`);
}
