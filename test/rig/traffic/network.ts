/** What the rig's declarations do not have: the segment's bridge, IPv6, and which way the VIPs are. Pure. */
import { UPLINK } from '../one-armed.ts';
import { NARROW_MTU, numberOf, type TrafficPath } from './paths.ts';
import { CLIENT_ADDRESS, HOST_PATHS, LBS, POD_PATHS, SEGMENT, segmentAddress } from './topology.ts';

type LbName = (typeof LBS)[number];

/** Outer and SNAT sources of an LB node; other nodes know the way to them. */
export const senderAddresses = {
  snat: (lb: LbName) => [`10.50.${lb.at(-1)}.0/31`, `2001:db8:50:${lb.at(-1)}::/127`],
  outer: (lb: LbName) => [`10.21.${lb.at(-1)}.0/24`, `2001:db8:21:${lb.at(-1)}::/112`],
};

const ROUTER = segmentAddress(1);
const WORKER = segmentAddress(SEGMENT.worker1);
const defaults = (via4: string, via6: string) => [
  `route replace default via ${via4}`,
  `-6 route replace default via ${via6}`,
];
const address6 = (address: string, device: string) => `-6 address add ${address}/64 dev ${device} nodad`;

function routerCommands(): string[] {
  const ports = Object.keys(SEGMENT);
  return [
    'link add br0 type bridge',
    ...ports.flatMap((port) => [`address flush dev ${port}`, `link set ${port} master br0`]),
    'link set br0 up mtu 1500',
    `address add ${ROUTER[4]}/24 dev br0`,
    address6(ROUTER[6], 'br0'),
    address6('2001:db8:10:1::1', 'client1'),
    address6('2001:db8:10:3::1', 'path1'),
    'route add 10.10.2.0/24 via 10.10.3.2',
    '-6 route add 2001:db8:10:2::/64 via 2001:db8:10:3::2',
    `route add 10.40.0.0/16 via ${WORKER[4]}`,
    `-6 route add 2001:db8:40::/48 via ${WORKER[6]}`,
    ...LBS.flatMap((lb) => wayToSnat(lb)),
    ...routeVips('lb1'),
  ];
}

function wayToSnat(lb: LbName): string[] {
  const via = segmentAddress(SEGMENT[lb]);
  const [four, six] = senderAddresses.snat(lb);
  return [`route add ${four} via ${via[4]}`, `-6 route add ${six} via ${via[6]}`];
}

/** What ECMP does when it hashes anew: all packets for VIPs go to this node. */
export function routeVips(lb: LbName, table = 'main'): string[] {
  const via = segmentAddress(SEGMENT[lb]);
  return [
    `route replace 10.1.0.0/24 via ${via[4]} table ${table}`,
    `-6 route replace 2001:db8:1::/64 via ${via[6]} table ${table}`,
  ];
}

/** The table by which the router's own packets go. */
export const ERROR_TABLE = '77';

const RULE = `rule add iif lo lookup ${ERROR_TABLE} pref 77`;

/** What ECMP does to ICMP errors, which it hashes by their own header: they go another way than the flow. */
export const ERRORS_APART = [RULE, `-6 ${RULE}`, ...routeVips('lb2', ERROR_TABLE)];

function lbCommands(lb: LbName): string[] {
  const narrowHosts = HOST_PATHS.filter(({ narrow }) => narrow);
  return [
    address6(segmentAddress(SEGMENT[lb])[6], UPLINK),
    ...defaults(ROUTER[4], ROUTER[6]),
    `route add 10.40.1.0/24 via ${WORKER[4]}`,
    `-6 route add 2001:db8:40:1::/64 via ${WORKER[6]}`,
    `route add 10.40.2.0/24 via ${WORKER[4]} mtu lock ${NARROW_MTU}`,
    `-6 route add 2001:db8:40:2::/64 via ${WORKER[6]} mtu lock ${NARROW_MTU}`,
    ...narrowHosts.map(({ endpoint }) => `route add ${endpoint} dev ${UPLINK} mtu lock ${NARROW_MTU}`),
  ];
}

const podAddresses = ({ server, endpoint }: TrafficPath) =>
  [...new Set([server, endpoint])].map(
    (one) => `address add ${one}${one.includes(':') ? '/48 nodad' : '/16'} dev ${UPLINK}`,
  );

/** By node, for `ip -batch`. */
export function networkCommands(): Record<string, string[]> {
  return {
    router1: routerCommands(),
    path1: [
      address6('2001:db8:10:2::1', 'client2'),
      address6('2001:db8:10:3::2', UPLINK),
      ...defaults('10.10.3.1', '2001:db8:10:3::1'),
    ],
    client1: [address6(CLIENT_ADDRESS.client1[6], UPLINK), ...defaults('10.10.1.1', '2001:db8:10:1::1')],
    client2: [address6(CLIENT_ADDRESS.client2[6], UPLINK), ...defaults('10.10.2.1', '2001:db8:10:2::1')],
    lb1: lbCommands('lb1'),
    lb2: lbCommands('lb2'),
    worker1: [
      address6(WORKER[6], UPLINK),
      '-6 address add 2001:db8:40::1/48 dev pod1 nodad',
      ...defaults(ROUTER[4], ROUTER[6]),
      ...LBS.flatMap((lb) => wayToSnat(lb)),
    ],
    pod1: [...POD_PATHS.flatMap(podAddresses), ...defaults('10.40.0.1', '2001:db8:40::1')],
    host1: [
      address6(segmentAddress(SEGMENT.host1)[6], UPLINK),
      ...defaults(ROUTER[4], ROUTER[6]),
      ...HOST_PATHS.flatMap((path) => {
        const [vip, own] = path.family === 4 ? ['/32', '/24'] : ['/128 nodad', '/64 nodad'];
        return [`address add ${path.vip}${vip} dev lo`, `address add ${path.endpoint}${own} dev ${UPLINK}`];
      }),
    ],
  };
}

/** Service and EndpointSlices of a path. A pod whose tunnel is of the other family is in a slice of each. */
export function pathManifest(path: TrafficPath): string {
  const { name, mode, vip, server, endpoint, ports } = path;
  const entries = [
    ['web', 'TCP', ports.web, 8080],
    ['dns', 'UDP', ports.dns, 5353],
    ['dns-tcp', 'TCP', ports.dns, 5353],
    ['echo', 'UDP', ports.echo, 7007],
    ['iperf', 'TCP', 5201, 5201],
  ] as const;
  const slice = (service: string, address: string) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: '${service}-${address.includes(':') ? 6 : 4}', namespace: demo, labels: { kubernetes.io/service-name: '${service}' } }
addressType: ${address.includes(':') ? 'IPv6' : 'IPv4'}
ports: [${entries.map(([port, protocol, , target]) => `{ name: ${port}, protocol: ${protocol}, port: ${target} }`).join()}]
endpoints: [{ addresses: ['${address}'], nodeName: ${mode === 'l2' ? 'host1' : 'worker1'}, targetRef: { kind: Pod, namespace: demo, name: pod-${numberOf(path)} } }]
`;
  return `apiVersion: v1
kind: Service
metadata: { name: '${name}', namespace: demo, annotations: { l4lb.io/mode: ${mode} } }
spec:
  externalIPs: ['${vip}']
  ports: [${entries.map(([port, protocol, number, target]) => `{ name: ${port}, protocol: ${protocol}, port: ${number}, targetPort: ${target} }`).join()}]
${slice(name, endpoint)}${endpoint === server || mode === 'l2' ? '' : slice(`${name}-twin`, server)}`;
}
