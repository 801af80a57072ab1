import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AddressPool } from '../../../src/config/config.ts';
import { AddressPools } from '../../../src/controller/address-pools.ts';
import { formatAddress, type IpAddress } from '../../../src/net/address.ts';
import type { Service } from '../../../src/sources/kube-objects.ts';
import { allocated, balancer, pool, RANGES, told, written } from './balancers.ts';

/** What holds of all allocations: of any Services with any records, and along any history. */

const RUNS = Number(process.env.L4LB_HISTORIES ?? 1_000);
const ADDRESSES = [
  '10.1.0.16',
  '10.1.0.17',
  '10.1.0.18',
  '10.9.0.9',
  '192.0.2.1',
  '2001:db8:1::10',
  '2001:db8:1::11',
];
const POOLS: ReadonlyArray<readonly AddressPool[]> = [
  [pool('a', ['10.1.0.16-10.1.0.18', '2001:db8:1::10-2001:db8:1::11'])],
  [pool('a', ['10.1.0.17']), pool('b', ['10.1.0.18', '2001:db8:1::11'])],
  [pool('b', ['10.9.0.9-10.9.0.10'], false), pool('a', ['2001:db8:1::10', '10.1.0.16'])],
  [],
];

const port = fc.constantFrom('80/TCP', '443/TCP', '53/UDP', '9/SCTP');
const spec = fc.record({
  age: fc.nat(3),
  type: fc.constantFrom('LoadBalancer', 'LoadBalancer', 'LoadBalancer', 'ClusterIP'),
  loadBalancerClass: fc.constantFrom('l4lb.io/lb', 'l4lb.io/lb', 'example.com/other'),
  key: fc.constantFrom('', '', 'k', 'l'),
  request: fc.option(fc.constantFrom(...ADDRESSES, 'junk'), { nil: '', freq: 3 }),
  pool: fc.constantFrom('', '', '', 'a', 'b'),
  ports: fc.uniqueArray(port, { minLength: 1, maxLength: 3 }),
  families: fc.constantFrom(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
  policy: fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack'),
  external: fc.option(fc.constantFrom(...ADDRESSES), { nil: '', freq: 5 }),
});
type Spec = typeof spec extends fc.Arbitrary<infer T> ? T : never;

function made(name: string, of: Spec, before?: Service): Service {
  const annotations = {
    ...(of.key === '' ? {} : { 'l4lb.io/allow-shared-ip': of.key }),
    ...(of.request === '' ? {} : { 'l4lb.io/addresses': of.request }),
    ...(of.pool === '' ? {} : { 'l4lb.io/pool': of.pool }),
  };
  const ports = of.ports.map((text) => {
    const [number, protocol = ''] = text.split('/');
    return { name: text, port: Number(number), protocol };
  });
  const { ingress = [], conditions } = before ?? {};
  return {
    ...balancer(name, before?.createdAt === undefined ? of.age : before.createdAt / 1_000),
    type: of.type,
    loadBalancerClass: of.loadBalancerClass,
    annotations,
    ports,
    ipFamilies: of.families,
    ipFamilyPolicy: of.policy,
    externalIPs: of.external === '' ? [] : [of.external],
    ingress,
    ...(conditions === undefined ? {} : { conditions }),
  };
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), name: fc.nat(6), spec }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pools' as const), pools: fc.nat(POOLS.length - 1) }) },
  // What somebody writes by hand.
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('status' as const),
      name: fc.nat(6),
      ips: fc.uniqueArray(fc.constantFrom(...ADDRESSES), { maxLength: 2 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const portsOf = ({ ports }: Service): string[] =>
  ports.filter(({ protocol }) => protocol !== 'SCTP').map((each) => `${each.port}/${each.protocol}`);

function mayShare(a: Service, b: Service): boolean {
  const key = a.annotations['l4lb.io/allow-shared-ip'];
  if (key === undefined || b.annotations['l4lb.io/allow-shared-ip'] !== key) return false;
  return !portsOf(a).some((each) => portsOf(b).includes(each));
}

function expectNoneTwice(
  holders: ReadonlyArray<{ service: Service; addresses: readonly IpAddress[] }>,
): void {
  for (const [index, one] of holders.entries()) {
    for (const other of holders.slice(index + 1)) {
      const both = one.addresses.filter((address) => other.addresses.includes(address));
      if (both.length > 0 && !mayShare(one.service, other.service)) {
        throw new Error(`${one.service.name} and ${other.service.name} have ${both.map(formatAddress)}`);
      }
    }
  }
}

/** The Service could have this one, were nobody else there, and asks for no other. */
function isAllowed(service: Service, text: string, pools: AddressPools): boolean {
  const family = text.includes(':') ? 'IPv6' : 'IPv4';
  const request = service.annotations['l4lb.io/addresses'] ?? '';
  const wanted =
    service.ipFamilyPolicy === 'SingleStack' ? service.ipFamilies?.slice(0, 1) : service.ipFamilies;
  const asksOther = request.includes(':') === text.includes(':') && request !== '' && request !== text;
  return wanted?.includes(family) === true && pools.isVip(parse(text)) && (!asksOther || request === 'junk');
}

const parse = (text: string): IpAddress => {
  const [span] = pool('x', [text]).addresses;
  return span?.first ?? 0;
};

function run(steps: readonly Step[], permute: (services: Service[]) => Service[]): Service[] {
  const services = new Map<number, Service>();
  let pools = POOLS[0] ?? [];
  for (const each of steps) {
    if (each.do === 'remove') services.delete(each.name);
    else if (each.do === 'pools') pools = POOLS[each.pools] ?? [];
    else if (each.do === 'status') {
      const before = services.get(each.name);
      if (before === undefined) continue;
      services.set(each.name, { ...before, ingress: each.ips.map((ip) => ({ ip, ipMode: 'VIP' })) });
    } else services.set(each.name, made(`s${each.name}`, each.spec, services.get(each.name)));
    const now = [...services.values()];
    const allocation = allocated(now, pools);
    // The order of what is given says nothing.
    expect(told(allocated(permute(now), pools))).toEqual(told(allocation));
    expectNoneTwice(allocation.assignments);
    expectKept(allocation.assignments, pools);
    const after = written(now, allocation);
    for (const service of after) services.set(Number(service.name.slice(1)), service);
    // A restart, once more and again, moves nobody who has what he may have.
    expectKept(allocated(after, pools).assignments, pools);
  }
  return [...services.values()];
}

/** Each recorded address that is allowed and in nobody's way, an older one's or of one that shares, stays. */
function expectKept(
  assignments: ReadonlyArray<{ service: Service; addresses: readonly IpAddress[] }>,
  settings: readonly AddressPool[],
): void {
  const pools = new AddressPools(settings, RANGES);
  const recorded = (service: Service): string[] => service.ingress.map(({ ip }) => ip ?? '');
  for (const { service, addresses } of assignments) {
    const others = assignments.filter((other) => other.service !== service);
    const first = new Set<boolean>();
    for (const text of recorded(service)) {
      const isFirst = !first.has(text.includes(':'));
      if (!isAllowed(service, text, pools)) continue;
      first.add(text.includes(':'));
      const inTheWay = others.some(
        (other) => recorded(other.service).includes(text) && !mayShare(service, other.service),
      );
      if (!isFirst || inTheWay) continue;
      expect(addresses.map(formatAddress), `${service.name} had ${text}`).toContain(text);
    }
  }
}

test('no address is had by two who do not share it, what may stay stays, and the order says nothing', () => {
  const history = fc.array(step, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(history, fc.nat(), (steps, turn) => {
      run(steps, (services) => {
        const at = services.length === 0 ? 0 : turn % services.length;
        return [...services.slice(at), ...services.slice(0, at)].reverse();
      });
    }),
    { numRuns: RUNS },
  );
}, 300_000);

test('nothing changes by itself: written, the answer is the same, but for what has come free', () => {
  fc.assert(
    fc.property(fc.array(spec, { maxLength: 8 }), fc.constantFrom(...POOLS), (specs, pools) => {
      let services = specs.map((each, index) => made(`s${index}`, each));
      for (let round = 0; round < specs.length + 2; round++) {
        services = written(services, allocated(services, pools));
      }
      expect(written(services, allocated(services, pools))).toEqual(services);
    }),
    { numRuns: RUNS },
  );
}, 300_000);
