import { describe, expect, test } from 'vitest';
import type { EndpointSlice, Service } from '../../../src/sources/kube-objects.ts';
import { build, endpoint, origin, problemsOf, service, slice } from './objects.ts';

/** `10.2.0.5:8080 w1 active`, and the reason. */
function backendsOf(slices: readonly EndpointSlice[], changes: Partial<Service> = {}): string[] {
  return (build([service(changes)], slices).services[0]?.backends ?? []).map(
    ({ address, port, weight, state, reason }) =>
      [`${address}:${port}`, `w${weight}`, state, ...(reason ? [`(${reason})`] : [])].join(' '),
  );
}

const ofEndpoints = (...endpoints: string[]) => [slice({ endpoints: endpoints.map(endpoint) })];

describe('which endpoints get new connections', () => {
  test.each<[string, string[], string[]]>([
    ['none', [], []],
    ['ready ones', ['10.2.0.6', '10.2.0.5'], ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active']],
    [
      'ready before terminating',
      ['10.2.0.5', '10.2.0.6 !ready terminating'],
      ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w0 draining (terminating)'],
    ],
    [
      'serving while terminating, when none is ready',
      ['10.2.0.5 !ready !serving', '10.2.0.6 !ready terminating', '10.2.0.7 !ready !serving terminating'],
      [
        '10.2.0.5:8080 w0 draining (not ready)',
        '10.2.0.6:8080 w1 active (serving while terminating)',
        '10.2.0.7:8080 w0 draining (terminating)',
      ],
    ],
    [
      'none is ready nor serving',
      ['10.2.0.5 !ready !serving', '10.2.0.6 !ready !serving terminating'],
      ['10.2.0.5:8080 w0 draining (not ready)', '10.2.0.6:8080 w0 draining (terminating)'],
    ],
    // The API forbids it, but serving alone is not ready: only terminating endpoints are asked for it.
    ['serving but not ready', ['10.2.0.5 !ready'], ['10.2.0.5:8080 w0 draining (not ready)']],
    [
      'ready and terminating at once counts as terminating',
      ['10.2.0.5 terminating', '10.2.0.6'],
      ['10.2.0.5:8080 w0 draining (terminating)', '10.2.0.6:8080 w1 active'],
    ],
    [
      'sorted as numbers, not as text',
      ['10.2.0.10', '10.2.0.9', '9.0.0.1'],
      ['9.0.0.1:8080 w1 active', '10.2.0.9:8080 w1 active', '10.2.0.10:8080 w1 active'],
    ],
  ])('%s', (_, endpoints, backends) => expect(backendsOf(ofEndpoints(...endpoints))).toEqual(backends));

  test('publishNotReadyAddresses: all of them', () => {
    const slices = ofEndpoints('10.2.0.5 !ready !serving', '10.2.0.6 !ready !serving terminating');
    expect(backendsOf(slices, { publishNotReadyAddresses: true })).toEqual([
      '10.2.0.5:8080 w1 active',
      '10.2.0.6:8080 w1 active',
    ]);
  });
});

describe('several slices', () => {
  test('are joined', () => {
    const slices = [
      slice({ name: 'b', endpoints: [endpoint('10.2.0.5')] }),
      slice({ name: 'a', endpoints: [endpoint('10.2.0.6')] }),
    ];
    expect(backendsOf(slices)).toEqual(['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active']);
  });

  test.each([
    ['10.2.0.5 !ready !serving', '10.2.0.5', '10.2.0.5:8080 w1 active'],
    ['10.2.0.5 !ready terminating', '10.2.0.5', '10.2.0.5:8080 w1 active'],
    [
      '10.2.0.5 !ready !serving',
      '10.2.0.5 !ready terminating',
      '10.2.0.5:8080 w1 active (serving while terminating)',
    ],
  ])('an endpoint that moves: %s and %s', (first, second, backend) => {
    for (const [a, b] of [
      [first, second],
      [second, first],
    ] as const) {
      const slices = [
        slice({ name: 'a', endpoints: [endpoint(a)] }),
        slice({ name: 'b', endpoints: [endpoint(b)] }),
      ];
      expect(backendsOf(slices)).toEqual([backend]);
    }
  });

  test('the same address with another port is another backend', () => {
    const slices = [
      slice({ name: 'a', endpoints: [endpoint('10.2.0.5')] }),
      slice({
        name: 'b',
        endpoints: [endpoint('10.2.0.5')],
        ports: [{ name: 'http', port: 8081, protocol: 'TCP' }],
      }),
    ];
    expect(backendsOf(slices)).toEqual(['10.2.0.5:8080 w1 active', '10.2.0.5:8081 w1 active']);
  });

  test('of other services and namespaces are not ours', () => {
    const slices = [
      slice({ namespace: 'other', endpoints: [endpoint('10.2.0.5')] }),
      slice({ service: 'web2', endpoints: [endpoint('10.2.0.6')] }),
    ];
    expect(backendsOf(slices)).toEqual([]);
    expect(problemsOf([service()], slices)).toEqual([
      'warning slice-without-service',
      'warning slice-without-service',
    ]);
  });

  test('without the label', () => {
    const { service: _, ...unlabelled } = slice();
    expect(problemsOf([service()], [unlabelled])).toEqual(['warning slice-without-service']);
  });

  test('of another address type', () => {
    const six = slice({ name: 'six', addressType: 'IPv6' });
    const name = slice({ name: 'name', addressType: 'FQDN' });
    expect(problemsOf([service()], [six, slice()])).toEqual([]);
    expect(problemsOf([service()], [name])).toEqual(['warning unsupported-address-type']);
  });
});

describe('target ports', () => {
  const ports = [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];

  test('by name, which may have another number in each slice', () => {
    const slices = [8080, 8081].map((port, index) =>
      slice({
        name: `web-${index}`,
        ports: [
          { name: 'dns', port: 5353, protocol: 'UDP' },
          { name: 'http', port, protocol: 'TCP' },
        ],
        endpoints: [endpoint(`10.2.0.${index}`)],
      }),
    );
    const found = build([service({ ports })], slices).services.map(({ backends }) =>
      backends.map(({ address, port }) => `${address}:${port}`),
    );
    expect(found).toEqual([
      ['10.2.0.0:5353', '10.2.0.1:5353'],
      ['10.2.0.0:8080', '10.2.0.1:8081'],
    ]);
  });

  test('a single port may have no name', () => {
    const slices = [
      slice({ ports: [{ name: '', port: 8080, protocol: 'TCP' }], endpoints: [endpoint('10.2.0.5')] }),
    ];
    expect(backendsOf(slices, { ports: [{ name: '', port: 80, protocol: 'TCP' }] })).toHaveLength(1);
  });

  test.each([
    ['no such name', [{ name: 'https', port: 8443, protocol: 'TCP' }], 'warning port-not-in-slices'],
    ['another protocol', [{ name: 'http', port: 8080, protocol: 'UDP' }], 'warning port-not-in-slices'],
    ['all ports', [{ name: 'http', protocol: 'TCP' }], 'warning port-not-in-slices'],
    ['a number that is none', [{ name: 'http', port: 0, protocol: 'TCP' }], 'error invalid-port'],
  ])('%s', (_, slicePorts, problem) => {
    const slices = [slice({ ports: slicePorts, endpoints: [endpoint('10.2.0.5')] })];
    expect(backendsOf(slices)).toEqual([]);
    expect(problemsOf([service()], slices)).toContain(problem);
  });

  test('a slice without endpoints needs no port', () => {
    expect(problemsOf([service()], [slice({ ports: [] })])).toEqual([]);
  });
});

describe('endpoints that cannot be', () => {
  test.each([
    ['127.0.0.1', 'error invalid-endpoint'],
    ['0.0.0.0', 'error invalid-endpoint'],
    ['224.0.0.1', 'error invalid-endpoint'],
    ['fd00::1', 'error invalid-endpoint'],
    ['pod', 'error invalid-endpoint'],
    ['10.1.0.77', 'error endpoint-in-vip-range'],
    ['::ffff:10.2.0.6', 'error invalid-endpoint'],
  ])('%s', (address, problem) => {
    const slices = [
      slice({
        endpoints: [endpoint('10.2.0.5'), endpoint(address)],
        origin: origin('/m/web.yaml', 12, { 'endpoints.1': 20 }),
      }),
    ];
    expect(backendsOf(slices)).toEqual(['10.2.0.5:8080 w1 active']);
    expect(problemsOf([service()], slices)).toEqual([problem]);
    expect(build([service()], slices).problems[0]).toMatchObject({ file: '/m/web.yaml', line: 20 });
  });

  test('only the first address counts, as with kube-proxy', () => {
    const two = { ...endpoint('10.2.0.5'), addresses: ['10.2.0.5', '10.2.0.6'] };
    expect(backendsOf([slice({ endpoints: [two] })])).toEqual(['10.2.0.5:8080 w1 active']);
  });

  test('no address', () => {
    expect(problemsOf([service()], [slice({ endpoints: [{ ...endpoint(''), addresses: [] }] })])).toEqual([
      'error invalid-endpoint',
    ]);
  });
});

describe('weights', () => {
  const weighted = (weights: string, ...endpoints: string[]) => [
    slice({ annotations: { 'l4lb.io/weights': weights }, endpoints: endpoints.map(endpoint) }),
  ];

  test.each<[string, string[], string[]]>([
    ['{10.2.0.5: 3}', ['10.2.0.5:8080 w3 active', '10.2.0.6:8080 w1 active'], []],
    ['{"10.2.0.5": 100, "10.2.0.6": 7}', ['10.2.0.5:8080 w100 active', '10.2.0.6:8080 w7 active'], []],
    ['10.2.0.5: 2\n10.2.0.6: 0', ['10.2.0.5:8080 w2 active', '10.2.0.6:8080 w0 draining (weight 0)'], []],
    ['{10.2.0.5: 101}', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weight']],
    ['{10.2.0.5: -1}', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weight']],
    ['{10.2.0.5: 1.5}', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weight']],
    ['{10.2.0.5: "2"}', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weight']],
    [
      '{10.2.0.9: 2}',
      ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'],
      ['warning unknown-weight-address'],
    ],
    ['[1, 2]', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weights']],
    ['10.2.0.5=2', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weights']],
    ['{', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], ['error invalid-weights']],
    [' ', ['10.2.0.5:8080 w1 active', '10.2.0.6:8080 w1 active'], []],
    [
      '{10.2.0.5: 0, 10.2.0.6: 0}',
      ['10.2.0.5:8080 w0 draining (weight 0)', '10.2.0.6:8080 w0 draining (weight 0)'],
      ['warning all-weights-zero'],
    ],
  ])('%j', (weights, backends, problems) => {
    const slices = weighted(weights, '10.2.0.5', '10.2.0.6');
    expect(backendsOf(slices)).toEqual(backends);
    expect(problemsOf([service()], slices)).toEqual(problems);
  });

  test('a ready endpoint that is held at 0 is still ready: terminating ones are not called back', () => {
    expect(backendsOf(weighted('{10.2.0.5: 0}', '10.2.0.5', '10.2.0.6 !ready terminating'))).toEqual([
      '10.2.0.5:8080 w0 draining (weight 0)',
      '10.2.0.6:8080 w0 draining (terminating)',
    ]);
  });

  test('a not-ready endpoint has no weight', () => {
    expect(backendsOf(weighted('{10.2.0.6: 5}', '10.2.0.5', '10.2.0.6 !ready'))).toEqual([
      '10.2.0.5:8080 w1 active',
      '10.2.0.6:8080 w0 draining (not ready)',
    ]);
  });
});

test('pod and node are passed on', () => {
  const named = { ...endpoint('10.2.0.5'), target: 'test/web-1', node: 'worker' };
  expect(build([service()], [slice({ endpoints: [named] })]).services[0]?.backends[0]).toEqual({
    address: '10.2.0.5',
    port: 8080,
    weight: 1,
    state: 'active',
    target: 'test/web-1',
    node: 'worker',
  });
});
