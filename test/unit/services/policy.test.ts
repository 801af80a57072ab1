import { describe, expect, test } from 'vitest';
import type { Service } from '../../../src/sources/kube-objects.ts';
import { build, endpoint, origin, SETTINGS, service, slice } from './objects.ts';

const FOUR = slice({ name: 'four', endpoints: [endpoint('10.2.0.5')] });
const SIX = slice({ name: 'six', addressType: 'IPv6', endpoints: [endpoint('2001:db8:3::5')] });
const VIPS = { externalIPs: ['10.1.0.2', '2001:db8:1::2'] };

const annotated = (annotations: Record<string, string>, changes: Partial<Service> = {}) =>
  service({ annotations, ...changes });

/** `10.1.0.2 snat 10.2.0.5`, one a frontend. */
function served(changes: Partial<Service>, slices = [FOUR, SIX], settings = SETTINGS): string[] {
  return build([service(changes)], slices, settings).services.map(({ frontend, mode, backends }) =>
    [frontend.vip, mode, ...backends.map(({ address }) => address)].join(' '),
  );
}

function codes(changes: Partial<Service>, slices = [FOUR, SIX], settings = SETTINGS): string[] {
  return build([service(changes)], slices, settings).problems.map(
    ({ severity, code }) => `${severity} ${code}`,
  );
}

describe('dual stack', () => {
  test('a VIP is served by the endpoints of its family', () => {
    expect(served(VIPS)).toEqual(['10.1.0.2 snat 10.2.0.5', '2001:db8:1::2 snat 2001:db8:3::5']);
    expect(codes(VIPS)).toEqual([]);
  });

  test('whether an endpoint is terminating is asked in each family by itself', () => {
    const leaving = slice({
      name: 'six',
      addressType: 'IPv6',
      endpoints: [endpoint('2001:db8:3::5 !ready terminating')],
    });
    const [, six] = build([service(VIPS)], [FOUR, leaving]).services;
    expect(six?.backends).toMatchObject([{ state: 'active', reason: 'serving while terminating' }]);
  });

  test.each(['snat', 'l2'])('mode %s does not cross families', (mode) => {
    const changes = { ...VIPS, annotations: { 'l4lb.io/mode': mode } };
    expect(served(changes, [FOUR])).toEqual([`10.1.0.2 ${mode} 10.2.0.5`, `2001:db8:1::2 ${mode}`]);
    expect(codes(changes, [FOUR])).toEqual(['warning no-backend-of-family']);
    expect(codes(changes, [])).toEqual([]);
  });

  test.each(['ipip', 'gue'])(
    'mode %s crosses families only where there is no endpoint of the own',
    (mode) => {
      const changes = { ...VIPS, annotations: { 'l4lb.io/mode': mode } };
      expect(served(changes, [FOUR])).toEqual([
        `10.1.0.2 ${mode} 10.2.0.5`,
        `2001:db8:1::2 ${mode} 10.2.0.5`,
      ]);
      expect(served(changes)).toEqual([`10.1.0.2 ${mode} 10.2.0.5`, `2001:db8:1::2 ${mode} 2001:db8:3::5`]);
      expect(codes(changes, [FOUR])).toEqual([]);
    },
  );

  test('addresses of another spelling are one endpoint, and weights find them', () => {
    const slices = [
      slice({
        addressType: 'IPv6',
        endpoints: [endpoint('2001:db8:3::5'), endpoint('2001:DB8:3:0::5')],
        annotations: { 'l4lb.io/weights': '{"2001:db8:3:0:0::5": 7}' },
      }),
    ];
    const [, six] = build([service(VIPS)], slices).services;
    expect(six?.backends).toMatchObject([{ address: '2001:db8:3::5', weight: 7 }]);
  });
});

describe('modes', () => {
  test.each<[string, string, string[]]>([
    ['gue', 'gue', []],
    [' l2 ', 'l2', []],
    ['dsr', 'snat', ['error invalid-mode']],
    ['', 'snat', ['error invalid-mode']],
  ])('l4lb.io/mode %j', (text, mode, problems) => {
    const changes = { annotations: { 'l4lb.io/mode': text } };
    expect(served(changes)).toEqual([`10.1.0.2 ${mode} 10.2.0.5`]);
    expect(codes(changes)).toEqual(problems);
  });

  test('a wrong mode is named with its line and what is allowed', () => {
    const place = origin('/m/web.yaml', 1, { 'metadata.annotations.l4lb.io/mode': 6 });
    const [problem] = build([annotated({ 'l4lb.io/mode': 'dsr' }, { origin: place })]).problems;
    expect(problem).toMatchObject({ file: '/m/web.yaml', line: 6 });
    expect(problem?.message).toBe('l4lb.io/mode: "dsr" must be one of snat, ipip, gue, l2; snat is used');
  });

  test('the configuration decides what a Service does not say', () => {
    expect(served({}, [FOUR], { ...SETTINGS, mode: 'ipip' })).toEqual(['10.1.0.2 ipip 10.2.0.5']);
    const snat = { annotations: { 'l4lb.io/mode': 'snat' } };
    expect(served(snat, [FOUR], { ...SETTINGS, mode: 'ipip' })).toEqual(['10.1.0.2 snat 10.2.0.5']);
  });

  test('DSR must be configured', () => {
    const changes = { annotations: { 'l4lb.io/mode': 'gue' } };
    const settings = { ...SETTINGS, dsr: undefined };
    expect(served(changes, [FOUR], settings)).toEqual(['10.1.0.2 snat 10.2.0.5']);
    expect(codes(changes, [FOUR], settings)).toEqual(['error dsr-not-configured']);
  });

  test('what a mode cannot be served without is said, and the other family is served', () => {
    expect(served(VIPS, [FOUR, SIX], { ...SETTINGS, snatFamilies: [4] })).toEqual(['10.1.0.2 snat 10.2.0.5']);
    expect(codes(VIPS, [FOUR, SIX], { ...SETTINGS, snatFamilies: [4] })).toEqual(['error no-snat-address']);
    const tunnel = { ...VIPS, annotations: { 'l4lb.io/mode': 'ipip' } };
    const settings = { ...SETTINGS, dsr: { sourceFamilies: [4] as const, window: { tcp: 0, udp: 0 } } };
    expect(served(tunnel, [FOUR, SIX], settings)).toEqual(['10.1.0.2 ipip 10.2.0.5']);
    expect(codes(tunnel, [FOUR, SIX], settings)).toEqual(['error no-outer-source']);
    expect(served(tunnel, [FOUR], settings)).toEqual([
      '10.1.0.2 ipip 10.2.0.5',
      '2001:db8:1::2 ipip 10.2.0.5',
    ]);
  });

  test('traffic policy Local is met in DSR as far as the client address goes', () => {
    const changes = { externalTrafficPolicy: 'Local' };
    expect(codes(changes)).toEqual(['warning external-traffic-policy']);
    expect(codes({ ...changes, annotations: { 'l4lb.io/mode': 'gue' } })).toEqual([]);
  });
});

describe('affinity, hash and windows', () => {
  const ofFirst = (changes: Partial<Service>) => build([service(changes)], [FOUR]).services[0];
  const dsr = { 'l4lb.io/mode': 'gue' };

  test.each<[number | undefined, number, string[]]>([
    [undefined, 10_800_000, []],
    [1, 1_000, []],
    [86_400, 86_400_000, []],
    [0, 10_800_000, ['error invalid-affinity-timeout']],
    [86_401, 10_800_000, ['error invalid-affinity-timeout']],
  ])('timeoutSeconds %s', (affinitySeconds, timeout, problems) => {
    const changes = {
      sessionAffinity: 'ClientIP',
      ...(affinitySeconds === undefined ? {} : { affinitySeconds }),
    };
    expect(ofFirst(changes)?.affinity).toEqual({ timeout });
    expect(codes(changes)).toEqual(problems);
  });

  test('no affinity unless it is asked for', () => {
    expect(ofFirst({ affinitySeconds: 5 })).not.toHaveProperty('affinity');
  });

  test.each<[string, boolean, string[]]>([
    ['3-tuple', true, []],
    ['5-tuple', false, []],
    ['4-tuple', false, ['error invalid-hash']],
  ])('l4lb.io/hash %s', (text, hash3, problems) => {
    const changes = { annotations: { 'l4lb.io/hash': text } };
    expect(ofFirst(changes)?.hash3 ?? false).toBe(hash3);
    expect(codes(changes)).toEqual(problems);
  });

  test('a window is for DSR only', () => {
    expect(ofFirst({})).not.toHaveProperty('window');
    expect(ofFirst({ annotations: dsr })?.window).toEqual({ tcp: 900_000, udp: 30_000 });
  });

  test.each<[string, number, string[]]>([
    ['0s', 0, []],
    ['1m', 60_000, []],
    ['soon', 30_000, ['error invalid-udp-window']],
    ['169h', 30_000, ['error invalid-udp-window']],
  ])('l4lb.io/udp-window %s', (text, udp, problems) => {
    const changes = { annotations: { ...dsr, 'l4lb.io/udp-window': text } };
    expect(ofFirst(changes)?.window?.udp).toBe(udp);
    expect(codes(changes)).toEqual(problems);
  });

  test('with affinity a window is as long as the client was promised, unless the Service says another', () => {
    const sticky = { sessionAffinity: 'ClientIP', affinitySeconds: 7200 };
    expect(ofFirst({ ...sticky, annotations: dsr })?.window).toEqual({ tcp: 7_200_000, udp: 7_200_000 });
    expect(ofFirst({ ...sticky, annotations: { ...dsr, 'l4lb.io/udp-window': '5s' } })?.window).toEqual({
      tcp: 7_200_000,
      udp: 5_000,
    });
  });

  test('a UDP window in mode snat is told to be idle', () => {
    expect(codes({ annotations: { 'l4lb.io/udp-window': '5s' } })).toEqual(['warning unused-udp-window']);
  });
});

describe('source ranges', () => {
  const BETA = 'service.beta.kubernetes.io/load-balancer-source-ranges';
  const open = undefined;

  test.each<[string, Partial<Service>, Array<string[] | undefined>, string[]]>([
    ['none', {}, [open, open], []],
    [
      'sorted, each once, by network',
      { loadBalancerSourceRanges: ['192.0.2.0/24', ' 10.9.9.9/8', '10.0.0.0/8', '2001:DB8:ff::/48'] },
      [['10.0.0.0/8', '192.0.2.0/24'], ['2001:db8:ff::/48']],
      [],
    ],
    [
      'one family closes the other',
      { loadBalancerSourceRanges: ['10.0.0.0/8'] },
      [['10.0.0.0/8'], []],
      ['warning source-ranges-family'],
    ],
    ['everybody of either family', { loadBalancerSourceRanges: ['0.0.0.0/0'] }, [open, open], []],
    [
      'everybody of IPv4, some of IPv6',
      { loadBalancerSourceRanges: ['10.0.0.0/8', '0.0.0.0/0', '2001:db8::/32'] },
      [open, ['2001:db8::/32']],
      [],
    ],
    [
      'what cannot be read opens nothing',
      { loadBalancerSourceRanges: ['10.0.0.0/33'] },
      [[], []],
      ['error invalid-source-range', 'warning source-ranges-family', 'warning source-ranges-family'],
    ],
    [
      'the annotation',
      { annotations: { [BETA]: '10.0.0.0/8, 2001:db8::/32' } },
      [['10.0.0.0/8'], ['2001:db8::/32']],
      [],
    ],
    [
      'an open annotation does not open a closed field',
      { loadBalancerSourceRanges: ['10.0.0.0/8', '2001:db8::/32'], annotations: { [BETA]: '0.0.0.0/0' } },
      [['10.0.0.0/8'], ['2001:db8::/32']],
      [],
    ],
  ])('%s', (_, changes, ranges, problems) => {
    const state = build([service({ ...VIPS, ...changes })], [FOUR, SIX]);
    expect(state.services.map(({ sourceRanges }) => sourceRanges)).toEqual(ranges);
    expect(state.problems.map(({ severity, code }) => `${severity} ${code}`)).toEqual(problems);
  });
});

describe('annotations', () => {
  const told = (annotations: Record<string, string>): string[] =>
    build([annotated(annotations)], [FOUR]).problems.map(({ severity, message }) => `${severity} ${message}`);
  const KNOWN =
    'Known are l4lb.io/mode, l4lb.io/backends, l4lb.io/hash, l4lb.io/slots, l4lb.io/udp-window, l4lb.io/pool, l4lb.io/addresses, l4lb.io/allow-shared-ip';

  test.each([
    ['l4lb.io/modes', 'did you mean l4lb.io/mode? '],
    ['l4lb.io/Mode', 'did you mean l4lb.io/mode? '],
    ['l4lb.io/tcp-window', 'did you mean l4lb.io/udp-window? '],
    ['l4lb.io/weights', ''],
    ['l4lb.io/', ''],
  ])('%s means nothing, and that is said', (key, hint) => {
    expect(told({ [key]: 'ipip' })).toEqual([
      `warning "${key}" is no annotation of a Service that is known here; ${hint}${KNOWN}`,
    ]);
  });

  test('those that mean something, and those of others, are nothing to talk about', () => {
    const known = { mode: 'ipip', hash: '3-tuple', pool: 'a', addresses: '10.1.0.2', 'allow-shared-ip': 'x' };
    const ours = Object.entries(known).map(([name, value]) => [`l4lb.io/${name}`, value]);
    expect(told({ ...Object.fromEntries(ours), 'example.com/mode': 'x' })).toEqual([]);
  });

  test('a problem repeats a long value in part, and a break in a line not at all', () => {
    const [message = ''] = told({ 'l4lb.io/mode': `gue\n${'x'.repeat(100_000)}` });
    expect(message).toBe(
      `error l4lb.io/mode: "gue\\n${'x'.repeat(76)}…" must be one of snat, ipip, gue, l2; snat is used`,
    );
    for (const name of ['backends', 'hash', 'slots', 'udp-window']) {
      const long = told({ 'l4lb.io/mode': 'ipip', [`l4lb.io/${name}`]: 'y'.repeat(100_000) });
      expect(long).toHaveLength(1);
      expect(long[0]?.length, name).toBeLessThan(300);
    }
  });
});
