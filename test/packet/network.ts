/**
 * A network namespace for this very thread, so that routes are known to the
 * last bit and nothing is left when the process ends, however it ends.
 *
 * The thread is pinned to one CPU too: cursors and budgets are per CPU.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { NativeLibrary } from '../../src/kernel/native-library.ts';
import { type Address, ip as address, ipText, isV6, mac } from '../model/bytes.ts';
import type { FibAnswer } from '../model/state.ts';

const CLONE_NEWNET = 0x40000000;

/**
 * Packets come in by `lan`; `far` and `tagged` are egress devices, `other` is not. `tagged` stands for a
 * VLAN device on lan: to the programs it is one, because egress_devices says so; not every kernel has them.
 */
export const DEVICE = { lan: 10, far: 12, other: 14, tagged: 16 } as const;
export const TAG = 100;

const LAN_MAC = '02:00:00:00:00:01';
const FAR_MAC = '02:00:00:00:00:02';
const OTHER_MAC = '02:00:00:00:00:03';
const TAGGED_MAC = '02:00:00:00:00:04';
const MACS = { lan: LAN_MAC, far: FAR_MAC, other: OTHER_MAC, tagged: TAGGED_MAC } as const;

/** Some ways take less than what comes: outer headers, and datagrams of more than 1,280 bytes. */
const MTUS = { lan: 1500, far: 1340, other: 1500, tagged: 1280 };

interface Route {
  readonly prefix: string;
  /** Undefined: on the link. */
  readonly gateway?: string;
  readonly device?: keyof typeof DEVICE;
  readonly kind?: 'blackhole' | 'unreachable' | 'prohibit';
  /** Nobody has a MAC address there. */
  readonly silent?: boolean;
}

/** All routes there are; no two overlap, so that the model needs no longest match. */
export const ROUTES: readonly Route[] = [
  { prefix: '10.2.0.0/24', device: 'lan' },
  { prefix: '10.2.1.0/24', device: 'far' },
  { prefix: '10.2.2.0/24', device: 'tagged' },
  { prefix: '10.2.3.0/24', gateway: '10.9.0.77', device: 'lan', silent: true },
  { prefix: '10.2.4.0/24', kind: 'blackhole' },
  { prefix: '10.2.5.0/24', gateway: '10.6.0.1', device: 'other' },
  { prefix: '10.2.6.0/24', gateway: '10.9.0.1', device: 'lan' },
  { prefix: '198.51.100.0/24', gateway: '10.9.0.1', device: 'lan' },
  { prefix: '198.51.101.0/24', gateway: '10.8.0.1', device: 'far' },
  { prefix: '198.51.102.0/24', gateway: '10.7.0.1', device: 'tagged' },
  { prefix: '198.51.103.0/24', gateway: '10.9.0.77', device: 'lan', silent: true },
  { prefix: '198.51.104.0/24', kind: 'blackhole' },
  { prefix: '198.51.105.0/24', kind: 'unreachable' },
  { prefix: '198.51.106.0/24', kind: 'prohibit' },
  { prefix: '198.51.107.0/24', gateway: '10.6.0.1', device: 'other' },
  // Loopback, this-network and multicast sources must not be answered by rejects; none has a route.
];

/** Networks that the gateways are in, by the devices' own addresses. */
const GATEWAYS: readonly Route[] = [
  { prefix: '10.9.0.0/24', device: 'lan' },
  { prefix: '10.8.0.0/24', device: 'far' },
  { prefix: '10.7.0.0/24', device: 'tagged' },
  { prefix: '10.6.0.0/24', device: 'other' },
];
const SILENT_GATEWAY = address('10.9.0.77');

/** How many hosts of each on-link backend network have a MAC address. */
export const HOSTS = 12;

const macOf = (neighbour: string): string => {
  const value = address(neighbour);
  const bytes = [2, 9, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
};

/** Moves this thread into a namespace of its own and builds the network there. */
export function enterNetwork(): void {
  const libc = new NativeLibrary('libc.so.6');
  if (libc.int('unshare', 'int')(CLONE_NEWNET) !== 0) {
    throw new Error('cannot make a network namespace: run as root');
  }
  execFileSync('taskset', ['-p', '-c', String(pinnedCpu()), String(process.pid)], { stdio: 'ignore' });
  const result = spawnSync('ip', ['-batch', '-'], { input: commands().join('\n'), encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`ip failed: ${result.stderr}`);
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  execFileSync('sysctl', ['-q', '-w', ...forwarding], { stdio: 'ignore' });
}

/** Both ends of a device take packets of `mtu` bytes from now on. */
export function widenDevice(device: keyof typeof DEVICE, mtu: number): void {
  for (const end of [device, `${device}-peer`]) {
    execFileSync('ip', ['link', 'set', 'dev', end, 'mtu', String(mtu)]);
  }
  MTUS[device] = mtu;
}

export const pinnedCpu = (): number => cpus().length - 1;

function commands(): string[] {
  const veth = (name: keyof typeof DEVICE, index: number, hardware: string): string[] => [
    `link add ${name} index ${index} address ${hardware} type veth peer name ${name}-peer`,
    `link set ${name} addrgenmode none`,
    `link set ${name}-peer addrgenmode none`,
    `link set ${name} mtu ${MTUS[name]}`,
    `link set ${name} up`,
    `link set ${name}-peer up`,
  ];
  const neighbours = ROUTES.flatMap(({ prefix, gateway, device, silent }) => {
    if (device === undefined || silent) return [];
    const hosts = gateway === undefined ? hostsOf(prefix) : [gateway];
    return bothFamilies(hosts).map(
      ([host, v4]) => `neigh replace ${host} lladdr ${macOf(v4)} dev ${device} nud permanent`,
    );
  });
  return [
    'link set lo up',
    ...veth('lan', DEVICE.lan, LAN_MAC),
    ...veth('far', DEVICE.far, FAR_MAC),
    ...veth('other', DEVICE.other, OTHER_MAC),
    ...veth('tagged', DEVICE.tagged, TAGGED_MAC),
    ...GATEWAYS.flatMap(({ prefix, device }) => {
      const own = `${networkText(prefix)}254`;
      return [`address add ${own}/24 dev ${device}`, `address add ${mirrorText(own)}/64 dev ${device} nodad`];
    }),
    ...ROUTES.flatMap(({ prefix, gateway, device, kind }) => {
      const way = (via: string | undefined): string =>
        `${via === undefined ? '' : ` via ${via}`} dev ${device}`;
      const mirrored = `${mirrorText(`${networkText(prefix)}0`)}/64`;
      if (kind !== undefined) return [`route add ${kind} ${prefix}`, `route add ${kind} ${mirrored}`];
      return [
        `route add ${prefix}${way(gateway)}`,
        `route add ${mirrored}${way(gateway && mirrorText(gateway))}`,
      ];
    }),
    ...neighbours,
  ];
}

/** Whatever there is for IPv4 is there for IPv6 too: 10.2.1.3 is fd00:a:2:1::3. */
export function mirror(v4: number): bigint {
  const group = (value: number, at: number): bigint => BigInt(value) << BigInt(at);
  const { a, b, c, d } = octets(v4);
  return group(0xfd00, 112) | group(a, 96) | group(b, 80) | group(c, 64) | BigInt(d);
}

const octets = (v4: number) => ({
  a: v4 >>> 24,
  b: (v4 >>> 16) & 255,
  c: (v4 >>> 8) & 255,
  d: v4 & 255,
});

/** The address that is mirrored, one without a neighbour for a host that is none, or undefined. */
function unmirror(v6: bigint): number | undefined {
  const octet = (at: number): number => Number((v6 >> BigInt(at)) & 255n);
  const host = v6 & 0xffffffffffffffffn;
  const network = ((octet(96) << 24) | (octet(80) << 16) | (octet(64) << 8)) >>> 0;
  if (mirror(network) !== v6 - host) return undefined;
  return network + (host < 255n ? Number(host) : 255);
}

export function mirrorText(text: string): string {
  const { a, b, c, d } = octets(address(text));
  return `fd00:${a.toString(16)}:${b.toString(16)}:${c.toString(16)}::${d.toString(16)}`;
}

/** `10.2.1.0/24` is `10.2.1.`. */
const networkText = (prefix: string): string => prefix.replace(/0\/24$/, '');

const bothFamilies = (hosts: readonly string[]): Array<[host: string, v4: string]> =>
  hosts.flatMap(
    (host): Array<[string, string]> => [
      [host, host],
      [mirrorText(host), host],
    ],
  );

function hostsOf(prefix: string): string[] {
  const network = address(prefix.split('/')[0] ?? '');
  return Array.from({ length: HOSTS }, (_, host) => ipText(network + host + 1));
}

const NO_MAC = new Uint8Array(6);
const NOWHERE = { gateway: 0, ifindex: 0, destinationMac: NO_MAC, sourceMac: NO_MAC, mtu: 0 } as const;

const isHost = (route: Route, host: number): boolean =>
  GATEWAYS.includes(route) ? host === 1 : host >= 1 && host <= HOSTS;

/** What the kernel's FIB says in this network, by its construction rather than by asking. */
export function expectedFib(destination: Address): FibAnswer {
  if (!isV6(destination)) return expectedFib4(destination);
  const v4 = unmirror(destination);
  const answer = v4 === undefined ? undefined : expectedFib4(v4);
  if (answer === undefined) return { result: 'failed', ...NOWHERE };
  if (answer.ifindex === 0) return { ...answer, gateway: 0n };
  return { ...answer, gateway: answer.gateway === v4 ? destination : mirror(answer.gateway as number) };
}

function expectedFib4(destination: number): FibAnswer {
  const route = [...ROUTES, ...GATEWAYS].find(({ prefix }) => {
    const network = address(prefix.split('/')[0] ?? '');
    return (destination & 0xffffff00) >>> 0 === network;
  });
  if (route === undefined) return { result: 'failed', ...NOWHERE };
  if (route.device === undefined) return { result: 'blackhole', ...NOWHERE };
  const gateway = route.gateway === undefined ? destination : address(route.gateway);
  const host = destination & 0xff;
  const isThere = route.gateway !== undefined || isHost(route, host);
  const isKnown = !route.silent && gateway !== SILENT_GATEWAY && isThere;
  return {
    result: isKnown ? 'valid' : 'no-neighbour',
    gateway,
    ifindex: DEVICE[route.device],
    destinationMac: isKnown ? mac(macOf(ipText(gateway))) : NO_MAC,
    sourceMac: isKnown ? mac(MACS[route.device]) : NO_MAC,
    mtu: isKnown ? MTUS[route.device] : 0,
  };
}
