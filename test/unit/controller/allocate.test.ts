import { describe, expect, test } from 'vitest';
import type { AddressPool } from '../../../src/config/config.ts';
import { formatAddress } from '../../../src/net/address.ts';
import type { Service } from '../../../src/sources/kube-objects.ts';
import { allocated, balancer, pool, told, written } from './balancers.ts';

const PUBLIC = pool('public', ['10.1.0.16-10.1.0.18', '2001:db8:1::10-2001:db8:1::11']);
const REQUEST = 'l4lb.io/addresses';
const SHARE = 'l4lb.io/allow-shared-ip';
const DUAL = { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' };
const udp = (port: number) => [{ name: 'dns', port, protocol: 'UDP' }];

type Row = [
  what: string,
  services: readonly Service[],
  expected: readonly string[],
  pools?: readonly AddressPool[],
];

const ROWS: readonly Row[] = [
  [
    'the older first',
    [balancer('b', 1), balancer('a', 2)],
    ['a 10.1.0.17 Allocated', 'b 10.1.0.16 Allocated'],
  ],
  [
    'what is recorded before what is older',
    [balancer('old', 1), balancer('new', 2, { has: ['10.1.0.16'] })],
    ['new 10.1.0.16 Allocated', 'old 10.1.0.17 Allocated'],
  ],
  [
    'of two recorded with one address the older keeps it',
    [balancer('old', 1, { has: ['10.1.0.18'] }), balancer('new', 2, { has: ['10.1.0.18'] })],
    ['new 10.1.0.16 Allocated', 'old 10.1.0.18 Allocated'],
  ],
  [
    'an exhausted pool',
    [1, 2, 3, 4].map((age) => balancer(`s${age}`, age)),
    ['s1 10.1.0.16 Allocated', 's2 10.1.0.17 Allocated', 's3 10.1.0.18 Allocated', 's4 PoolExhausted'],
  ],
  [
    'an address of no pool any more is kept',
    [balancer('a', 1, { has: ['10.9.0.7'] })],
    ['a 10.9.0.7 OutsidePools'],
  ],
  [
    'one outside of the VIP ranges is not',
    [balancer('a', 1, { has: ['192.0.2.9'] })],
    ['a 10.1.0.16 Allocated'],
  ],
  ['nor the one of the VIP device', [balancer('a', 1, { has: ['10.1.0.1'] })], ['a 10.1.0.16 Allocated']],
  [
    'a request moves, and what was had is not free before that is written',
    [balancer('a', 1, { has: ['10.1.0.16'], loadBalancerIP: '10.1.0.18' }), balancer('b', 2)],
    ['a 10.1.0.18 Allocated', 'b 10.1.0.17 Allocated'],
  ],
  [
    'a request that cannot be met leaves what there is',
    [balancer('a', 1, { has: ['10.1.0.16'], loadBalancerIP: '10.9.0.9' })],
    ['a 10.1.0.16 RequestedAddressOutsidePools'],
  ],
  [
    'a request goes before what is given unasked, whatever the age',
    [balancer('old', 1), balancer('new', 2, { annotations: { [REQUEST]: '10.1.0.16' } })],
    ['new 10.1.0.16 Allocated', 'old 10.1.0.17 Allocated'],
  ],
  [
    'a request of one family leaves the other open',
    [balancer('a', 1, { ...DUAL, annotations: { [REQUEST]: '2001:db8:1::11' } })],
    ['a 10.1.0.16 2001:db8:1::11 Allocated'],
  ],
  ['no address', [balancer('a', 1, { loadBalancerIP: 'ten' })], ['a InvalidRequest']],
  ['a family it has not', [balancer('a', 1, { loadBalancerIP: '2001:db8:1::10' })], ['a InvalidRequest']],
  [
    'two of one family',
    [balancer('a', 1, { annotations: { [REQUEST]: '10.1.0.16,10.1.0.17' } })],
    ['a InvalidRequest'],
  ],
  [
    'shared by key, also when others are free',
    [
      balancer('a', 1, { annotations: { [SHARE]: 'k' } }),
      balancer('b', 2, { annotations: { [SHARE]: 'k' }, ports: udp(53) }),
      balancer('c', 3, { annotations: { [SHARE]: 'k' } }),
      balancer('d', 4, { annotations: { [SHARE]: 'other' }, ports: udp(99) }),
    ],
    ['a 10.1.0.16 Allocated', 'b 10.1.0.16 Allocated', 'c 10.1.0.17 Allocated', 'd 10.1.0.18 Allocated'],
  ],
  [
    'who shares and takes a port that is there, moves',
    [
      balancer('a', 1, { annotations: { [SHARE]: 'k' }, has: ['10.1.0.16'] }),
      balancer('b', 2, { annotations: { [SHARE]: 'k' }, has: ['10.1.0.16'] }),
    ],
    ['a 10.1.0.16 Allocated', 'b 10.1.0.17 Allocated'],
  ],
  [
    'externalIPs and what others have are not given',
    [
      balancer('ext', 1, { type: 'ClusterIP', externalIPs: ['10.1.0.16'] }),
      balancer('foreign', 2, { loadBalancerClass: 'example.com/x', has: ['10.1.0.17'] }),
      balancer('going', 3, { deleting: true, has: ['10.1.0.18'] }),
      balancer('a', 4),
    ],
    ['a PoolExhausted'],
  ],
  [
    'but they move nobody',
    [
      balancer('ext', 1, { externalIPs: ['10.1.0.16'], type: 'ClusterIP' }),
      balancer('a', 2, { has: ['10.1.0.16'] }),
    ],
    ['a 10.1.0.16 Allocated'],
  ],
  [
    'a family that is not asked for any more is released, and free when that is written',
    [balancer('a', 1, { has: ['10.1.0.16', '2001:db8:1::10'] }), balancer('b', 2, { ipFamilies: ['IPv6'] })],
    ['a 10.1.0.16 Allocated', 'b 2001:db8:1::11 Allocated'],
  ],
  ['dual stack', [balancer('a', 1, DUAL)], ['a 10.1.0.16 2001:db8:1::10 Allocated']],
  [
    'dual stack, all or nothing',
    [balancer('a', 1, DUAL), balancer('b', 2)],
    ['a NoPoolOfFamily', 'b 10.1.0.16 Allocated'],
    [pool('four', ['10.1.0.16'])],
  ],
  [
    'dual stack that had one keeps it',
    [balancer('a', 1, { ...DUAL, has: ['10.1.0.16'] })],
    ['a 10.1.0.16 NoPoolOfFamily'],
    [pool('four', ['10.1.0.16'])],
  ],
  [
    'dual stack where there is, in the order of the Service',
    [
      balancer('a', 1, { ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' }),
      balancer('b', 2, { ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' }),
    ],
    ['a 2001:db8:1::10 10.1.0.16 Allocated', 'b 10.1.0.17 SingleFamily'],
    [pool('p', ['10.1.0.16-10.1.0.17', '2001:db8:1::10'])],
  ],
  [
    'pools in their order, and the automatic ones only',
    [balancer('a', 1), balancer('b', 2)],
    ['a 10.9.0.9 Allocated', 'b 10.1.0.40 Allocated'],
    [pool('kept', ['10.1.0.20'], false), pool('one', ['10.9.0.9']), pool('two', ['10.1.0.40'])],
  ],
  [
    'a named pool, automatic or not',
    [
      balancer('a', 1, { annotations: { 'l4lb.io/pool': 'kept' } }),
      balancer('b', 2, { annotations: { 'l4lb.io/pool': 'x' } }),
    ],
    ['a 10.1.0.20 Allocated', 'b UnknownPool'],
    [pool('kept', ['10.1.0.20'], false), PUBLIC],
  ],
  [
    'first, last and device address of a network are given on request only',
    [
      balancer('a', 1),
      balancer('b', 2),
      balancer('c', 3, { loadBalancerIP: '10.1.0.255' }),
      balancer('d', 4, { loadBalancerIP: '10.1.0.1' }),
    ],
    ['a 10.1.0.2 Allocated', 'b PoolExhausted', 'c 10.1.0.255 Allocated', 'd RequestedAddressOutsidePools'],
    [pool('p', ['10.1.0.0-10.1.0.2', '10.1.0.255'])],
  ],
  [
    'only SCTP',
    [balancer('a', 1, { ports: [{ name: '', port: 1, protocol: 'SCTP' }] })],
    ['a UnsupportedProtocol'],
  ],
];

describe('allocate', () => {
  test.each(ROWS)('%s', (_, services, expected, pools = [PUBLIC]) => {
    const allocation = allocated(services, pools);
    expect(told(allocation)).toEqual(expected);
    // Once written, it is the record.
    const after = written(services, allocation);
    const moved = (name: string): boolean =>
      services.some((each) => each.name === name && each.ingress.length > 0);
    for (const { service, addresses } of allocated(after, pools).assignments) {
      if (addresses.length === 0 || moved(service.name)) continue;
      expect(addresses.map(formatAddress)).toEqual(service.ingress.map(({ ip }) => ip));
    }
  });

  test('Services without a class are ours by configuration, by our record, and not if another has served them', () => {
    const { loadBalancerClass: _, ...plain } = balancer('a', 1);
    expect(told(allocated([plain], [PUBLIC]))).toEqual([]);
    expect(told(allocated([plain], [PUBLIC], { withoutClass: true }))).toEqual(['a 10.1.0.16 Allocated']);
    const served = { ...plain, ingress: [{ ip: '192.0.2.1' }] };
    expect(told(allocated([served], [PUBLIC], { withoutClass: true }))).toEqual([]);
    const [recorded] = written([plain], allocated([plain], [PUBLIC], { withoutClass: true }));
    expect(told(allocated([recorded as Service], [PUBLIC]))).toEqual(['a 10.1.0.16 Allocated']);
  });

  test('a Service that is not ours any more is released, and its address is free when that is written', () => {
    const fresh = [balancer('a', 1)];
    const [before] = written(fresh, allocated(fresh, [PUBLIC]));
    const gone = { ...(before as Service), type: 'ClusterIP' };
    const services = [gone, balancer('b', 2)];
    const first = allocated(services, [PUBLIC]);
    expect(first.releases).toEqual([gone]);
    expect(told(first)).toEqual(['b 10.1.0.17 Allocated']);
    expect(allocated(written(services, first), [PUBLIC]).releases).toEqual([]);
  });

  test('what the pools have and what of it is used', () => {
    const { use } = allocated([balancer('a', 1), balancer('b', 2, DUAL)], [PUBLIC]);
    expect(use).toEqual([
      { pool: 'public', family: 4, size: 3, used: 2 },
      { pool: 'public', family: 6, size: 2, used: 1 },
    ]);
  });
});
