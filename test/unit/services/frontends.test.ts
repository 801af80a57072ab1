import { describe, expect, test } from 'vitest';
import type { Service } from '../../../src/sources/kube-objects.ts';
import { build, endpoint, frontendsOf, origin, problemsOf, SETTINGS, service, slice } from './objects.ts';

const tcp = (port: number, name = `p${port}`) => ({ name, port, protocol: 'TCP' });

describe('addresses', () => {
  test.each<[string, Partial<Service>, string[], string[]]>([
    ['externalIPs inside the range', {}, ['10.1.0.2:80/TCP test/web'], []],
    ['the device address', { externalIPs: ['10.1.0.1'] }, [], ['error vip-device-address']],
    [
      'a /31 keeps both addresses',
      { externalIPs: ['10.100.0.1', '10.100.0.0'] },
      ['10.100.0.0:80/TCP test/web', '10.100.0.1:80/TCP test/web'],
      [],
    ],
    ['outside', { externalIPs: ['10.9.0.2'] }, [], ['warning address-outside-ranges']],
    [
      'one in, one out',
      { externalIPs: ['10.9.0.2', '10.1.0.2'] },
      ['10.1.0.2:80/TCP test/web'],
      ['warning address-outside-ranges'],
    ],
    ['IPv6', { externalIPs: ['2001:DB8:1:0::2'] }, ['[2001:db8:1::2]:80/TCP test/web'], []],
    ['IPv6 outside', { externalIPs: ['fd00::2'] }, [], ['warning address-outside-ranges']],
    ['the IPv6 device address', { externalIPs: ['2001:db8:1::1'] }, [], ['error vip-device-address']],
    [
      'one IPv6 address in two spellings',
      { externalIPs: ['2001:db8:1::2', '2001:db8:1:0::2'] },
      ['[2001:db8:1::2]:80/TCP test/web'],
      [],
    ],
    [
      'both families, IPv4 first',
      { externalIPs: ['2001:db8:1::2', '10.1.0.9'] },
      ['10.1.0.9:80/TCP test/web', '[2001:db8:1::2]:80/TCP test/web'],
      [],
    ],
    ['no address', { externalIPs: ['web.example'] }, [], ['error invalid-address']],
    ['a leading zero', { externalIPs: ['10.1.0.02'] }, [], ['error invalid-address']],
    ['none at all', { externalIPs: [] }, [], []],
    [
      'ingress',
      { externalIPs: [], type: 'LoadBalancer', ingress: [{ ip: '10.1.0.3' }] },
      ['10.1.0.3:80/TCP test/web'],
      [],
    ],
    [
      'ingress of another type',
      { externalIPs: [], type: 'ClusterIP', ingress: [{ ip: '10.1.0.3' }] },
      [],
      [],
    ],
    [
      "ingress outside is others' business",
      { externalIPs: [], type: 'LoadBalancer', ingress: [{ ip: '10.9.0.3' }] },
      [],
      [],
    ],
    [
      'ingress with ipMode Proxy',
      { externalIPs: [], type: 'LoadBalancer', ingress: [{ ip: '10.1.0.3', ipMode: 'Proxy' }] },
      [],
      [],
    ],
    ['ingress with a host name only', { externalIPs: [], type: 'LoadBalancer', ingress: [{}] }, [], []],
    [
      'the same address both ways counts once',
      { type: 'LoadBalancer', ingress: [{ ip: '10.1.0.2', ipMode: 'VIP' }] },
      ['10.1.0.2:80/TCP test/web'],
      [],
    ],
    [
      'our class',
      {
        externalIPs: [],
        type: 'LoadBalancer',
        loadBalancerClass: 'l4lb.io/lb',
        ingress: [{ ip: '10.1.0.3' }],
      },
      ['10.1.0.3:80/TCP test/web'],
      [],
    ],
    [
      'another class',
      { externalIPs: [], type: 'LoadBalancer', loadBalancerClass: 'other/lb', ingress: [{ ip: '10.1.0.3' }] },
      [],
      ['warning load-balancer-class'],
    ],
    [
      'another class, elsewhere',
      { externalIPs: [], type: 'LoadBalancer', loadBalancerClass: 'other/lb', ingress: [{ ip: '10.9.0.3' }] },
      [],
      [],
    ],
  ])('%s', (_, changes, frontends, problems) => {
    expect(frontendsOf([service(changes)])).toEqual(frontends);
    expect(problemsOf([service(changes)])).toEqual(problems);
  });

  test('the type says how the VIP was asked for', () => {
    const both = service({ type: 'LoadBalancer', ingress: [{ ip: '10.1.0.3' }] });
    expect(build([both]).services.map(({ type }) => type)).toEqual(['ExternalIPs', 'LoadBalancer']);
  });

  test('the line is that of the address', () => {
    const web = service({
      externalIPs: ['10.1.0.2', '10.1.0.1'],
      origin: origin('/m/web.yaml', 3, { 'spec.externalIPs.1': 9 }),
    });
    expect(build([web]).problems[0]).toMatchObject({
      file: '/m/web.yaml',
      line: 9,
      object: { kind: 'Service', namespace: 'test', name: 'web' },
    });
  });
});

describe('ports and policy', () => {
  test.each<[string, Partial<Service>, string[], string[]]>([
    [
      'TCP and UDP of one number',
      { ports: [tcp(53, 't'), { name: 'u', port: 53, protocol: 'UDP' }] },
      ['10.1.0.2:53/TCP test/web', '10.1.0.2:53/UDP test/web'],
      [],
    ],
    ['port 0', { ports: [tcp(0), tcp(80)] }, ['10.1.0.2:80/TCP test/web'], ['error invalid-port']],
    ['port 65535', { ports: [tcp(65535)] }, ['10.1.0.2:65535/TCP test/web'], []],
    ['port 65536', { ports: [tcp(65536)] }, [], ['error invalid-port']],
    ['SCTP', { ports: [{ name: 's', port: 80, protocol: 'SCTP' }] }, [], ['error unsupported-protocol']],
    [
      'a port twice',
      { ports: [tcp(80, 'a'), tcp(80, 'b')] },
      ['10.1.0.2:80/TCP test/web'],
      ['error duplicate-port'],
    ],
    [
      'a name twice',
      { ports: [tcp(80, 'a'), tcp(81, 'a')] },
      ['10.1.0.2:80/TCP test/web'],
      ['error duplicate-port-name'],
    ],
    ['no port', { ports: [] }, [], []],
    ['headless', { clusterIP: 'None' }, [], ['error headless']],
    ['ExternalName', { type: 'ExternalName' }, [], ['error external-name']],
    ['headless without a VIP is ordinary', { clusterIP: 'None', externalIPs: [] }, [], []],
    ['affinity', { sessionAffinity: 'ClientIP' }, ['10.1.0.2:80/TCP test/web'], []],
    [
      'local traffic policy',
      { externalTrafficPolicy: 'Local' },
      ['10.1.0.2:80/TCP test/web'],
      ['warning external-traffic-policy'],
    ],
  ])('%s', (_, changes, frontends, problems) => {
    expect(frontendsOf([service(changes)])).toEqual(frontends);
    expect(problemsOf([service(changes)])).toEqual(problems);
  });

  test('a Service without a VIP of ours is not judged', () => {
    const foreign = service({ externalIPs: [], sessionAffinity: 'ClientIP', ports: [tcp(0)] });
    expect(problemsOf([foreign])).toEqual([]);
  });
});

describe('one frontend, one owner', () => {
  const old = Date.parse('2020-01-01T00:00:00Z');

  test.each<[string, Partial<Service>, Partial<Service>]>([
    ['the older one', { name: 'z', createdAt: old }, { name: 'a', createdAt: old + 1 }],
    ['one with a time before one without', { name: 'z', createdAt: old }, { name: 'a' }],
    ['by namespace', { namespace: 'a', name: 'z' }, { namespace: 'b', name: 'a' }],
    ['by name', { name: 'a', createdAt: old }, { name: 'b', createdAt: old }],
  ])('%s', (_, winner, loser) => {
    const [won, lost] = [
      service(winner),
      service({ ...loser, origin: origin('/m/b.yaml', 7, { 'spec.externalIPs.0': 11 }) }),
    ];
    for (const services of [
      [won, lost],
      [lost, won],
    ]) {
      expect(frontendsOf(services)).toEqual([`10.1.0.2:80/TCP ${won.namespace}/${won.name}`]);
      const [problem, ...others] = build(services).problems;
      expect(others).toEqual([]);
      expect(problem).toMatchObject({
        severity: 'error',
        code: 'duplicate-frontend',
        file: '/m/b.yaml',
        line: 11,
        object: { namespace: lost.namespace, name: lost.name },
      });
      expect(problem?.message).toContain(`Service ${won.namespace}/${won.name}`);
    }
  });

  test('the owner is named with its place', () => {
    const first = service({ name: 'a', origin: origin('/m/a.yaml', 4) });
    expect(build([first, service({ name: 'b' })]).problems[0]?.message).toContain('(/m/a.yaml:4)');
  });

  test('other frontends of the loser are served', () => {
    const loser = service({ name: 'x', ports: [tcp(80), tcp(81)] });
    expect(frontendsOf([service({ name: 'a' }), loser])).toEqual([
      '10.1.0.2:80/TCP test/a',
      '10.1.0.2:81/TCP test/x',
    ]);
  });

  test('a Service that cannot be served does not leave its VIP to another', () => {
    const settings = { ...SETTINGS, snatFamilies: [6] as const };
    const state = build([service({ name: 'a' }), service({ name: 'b' })], [], settings);
    expect(state.services).toEqual([]);
    expect(state.problems.map(({ code }) => code)).toEqual(['no-snat-address', 'duplicate-frontend']);
  });
});

describe('table size', () => {
  const sized = (slots: string) => service({ annotations: { 'l4lb.io/slots': slots } });

  test.each<[string, number, string[]]>([
    ['251', 251, []],
    [' 131071 ', 131071, []],
    ['4096', 4099, ['error invalid-slots']],
    ['many', 4099, ['error invalid-slots']],
    ['', 4099, ['error invalid-slots']],
  ])('l4lb.io/slots %j', (slots, size, problems) => {
    expect(build([sized(slots)]).services[0]?.tableSize).toBe(size);
    expect(problemsOf([sized(slots)])).toEqual(problems);
  });

  const endpoints = (count: number) =>
    Array.from({ length: count }, (_, index) => endpoint(`10.2.${Math.floor(index / 256)}.${index % 256}`));

  test.each<[number, string, string[]]>([
    [25, '251', []],
    [26, '251', ['warning table-too-small']],
    [409, '4099', []],
    [410, '4099', ['warning table-too-small']],
  ])('%i backends and %s slots', (count, slots, problems) => {
    expect(problemsOf([sized(slots)], [slice({ endpoints: endpoints(count) })])).toEqual(problems);
  });

  test('the warning names the size that is enough, or says that there is none', () => {
    const message = (count: number) =>
      build([sized('251')], [slice({ endpoints: endpoints(count) })]).problems[0]?.message;
    expect(message(26)).toMatch(/set l4lb.io\/slots to 1021/);
    expect(message(13_108)).toMatch(/no table is large enough/);
  });

  test('the weight sum counts, and weight 0 does not', () => {
    const weighted = (weights: string) =>
      slice({ endpoints: endpoints(3), annotations: { 'l4lb.io/weights': weights } });
    expect(problemsOf([sized('251')], [weighted('{10.2.0.0: 100, 10.2.0.1: 100}')])).toEqual([
      'warning table-too-small',
    ]);
    expect(problemsOf([sized('251')], [weighted('{10.2.0.0: 100, 10.2.0.1: 100, 10.2.0.2: 0}')])).toEqual([]);
  });

  test('more backends than a slot can name: the active ones first', () => {
    const many = endpoints(32_768).map((each, index) => (index === 0 ? { ...each, ready: false } : each));
    const state = build(
      [service({ annotations: { 'l4lb.io/slots': '131071' } })],
      [slice({ endpoints: many })],
    );
    expect(state.services[0]?.backends).toHaveLength(32_767);
    expect(state.services[0]?.backends[0]?.address).toBe('10.2.0.1');
    expect(state.problems.map(({ code }) => code)).toContain('too-many-backends');
  });
});
