import { describe, expect, test } from 'vitest';
import type { ServiceSettings } from '../../../src/services/service-settings.ts';
import type { EndpointSlice, KubeNode, Service } from '../../../src/sources/kube-objects.ts';
import { build, endpoint, node, origin, SETTINGS, service, slice } from './objects.ts';

/** Services whose backends are ports of nodes. */

const NODE_PORT = 30_080;
const ALL: ServiceSettings = { ...SETTINGS, backends: { kind: 'node-ports', nodes: true } };

function web(changes: Partial<Service> = {}): Service {
  return service({
    type: 'NodePort',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT }],
    ...changes,
  });
}

const LOCAL = { externalTrafficPolicy: 'Local' };
const ofEndpoints = (...endpoints: string[]) => [slice({ endpoints: endpoints.map(endpoint) })];

interface Case {
  readonly nodes: readonly string[];
  readonly slices?: readonly EndpointSlice[];
  readonly changes?: Partial<Service>;
  readonly settings?: ServiceSettings;
}

const stateOf = ({ nodes, slices = ofEndpoints('10.2.0.5 @w1'), changes, settings = ALL }: Case) =>
  build([web(changes)], slices, settings, nodes.map(node));

/** `w1 10.3.0.1:30080 w1 active`, and the reason. */
function backendsOf(of: Case): string[] {
  return (stateOf(of).services[0]?.backends ?? []).map(
    ({ address, port, weight, state, reason, node, target }) =>
      [
        node,
        `${address}:${port}`,
        `w${weight}`,
        state,
        ...(reason ? [`(${reason})`] : []),
        ...(target ? [target] : []),
      ].join(' '),
  );
}

const codesOf = (of: Case): string[] =>
  stateOf(of).problems.map(({ severity, code }) => `${severity} ${code}`);

describe('externalTrafficPolicy Cluster', () => {
  test.each<[string, string[], string[], string[]]>([
    ['none without an endpoint', ['w1 10.3.0.1'], [], []],
    [
      'any node that is ready, with endpoints or without',
      ['w2 10.3.0.2', 'w1 10.3.0.1'],
      ['10.2.0.5 @w1', '10.2.0.6 @w1'],
      ['w1 10.3.0.1:30080 w1 active', 'w2 10.3.0.2:30080 w1 active'],
    ],
    [
      'endpoints that name no node, or an unknown one',
      ['w1 10.3.0.1'],
      ['10.2.0.5', '10.2.0.6 @gone'],
      ['w1 10.3.0.1:30080 w1 active'],
    ],
    [
      'one that is not ready, excluded or leaving keeps what it has',
      ['w1 10.3.0.1 !ready', 'w2 10.3.0.2 excluded', 'w3 10.3.0.3 leaving !ready', 'w4 10.3.0.4'],
      ['10.2.0.5 @w1'],
      [
        'w1 10.3.0.1:30080 w0 draining (node not ready)',
        'w2 10.3.0.2:30080 w0 draining (node excluded)',
        'w3 10.3.0.3:30080 w0 draining (node leaving)',
        'w4 10.3.0.4:30080 w1 active',
      ],
    ],
    ['an LB node is none', ['lb1 10.3.0.1 lb', 'w1 10.3.0.2'], ['10.2.0.5'], ['w1 10.3.0.2:30080 w1 active']],
    [
      'endpoints that serve while terminating are enough',
      ['w1 10.3.0.1'],
      ['10.2.0.5 !ready terminating @w1'],
      ['w1 10.3.0.1:30080 w1 active'],
    ],
    [
      'without an endpoint that serves, nothing new',
      ['w1 10.3.0.1', 'w2 10.3.0.2 !ready'],
      ['10.2.0.5 !ready !serving @w1'],
      ['w1 10.3.0.1:30080 w0 draining (no endpoint)', 'w2 10.3.0.2:30080 w0 draining (node not ready)'],
    ],
    [
      'sorted as numbers',
      ['a 10.3.0.10', 'b 10.3.0.9'],
      ['10.2.0.5'],
      ['b 10.3.0.9:30080 w1 active', 'a 10.3.0.10:30080 w1 active'],
    ],
    ['a node without an address is left out', ['w1', 'w2 2001:db8:9::1'], ['10.2.0.5'], []],
  ])('%s', (_, nodes, endpoints, backends) =>
    expect(backendsOf({ nodes, slices: ofEndpoints(...endpoints) })).toEqual(backends),
  );

  test('weights of endpoints are nothing to nodes, which is said', () => {
    const slices = [
      slice({
        annotations: { 'l4lb.io/weights': '{10.2.0.5: 7}' },
        endpoints: [endpoint('10.2.0.5 @w1')],
      }),
    ];
    expect(backendsOf({ nodes: ['w1 10.3.0.1'], slices })).toEqual(['w1 10.3.0.1:30080 w1 active']);
    expect(codesOf({ nodes: ['w1 10.3.0.1'], slices })).toEqual(['warning unused-weights']);
    expect(codesOf({ nodes: ['w1 10.3.0.1'], slices, changes: LOCAL })).not.toContain(
      'warning unused-weights',
    );
  });
});

describe('externalTrafficPolicy Local', () => {
  test.each<[string, string[], string[], string[]]>([
    [
      'nodes with endpoints, by how many',
      ['w1 10.3.0.1', 'w2 10.3.0.2', 'w3 10.3.0.3'],
      ['10.2.0.5 @w1', '10.2.0.6 @w3', '10.2.0.7 @w3'],
      ['w1 10.3.0.1:30080 w1 active', 'w3 10.3.0.3:30080 w2 active'],
    ],
    [
      'ready ones count, where others serve too',
      ['w1 10.3.0.1', 'w2 10.3.0.2', 'w3 10.3.0.3'],
      [
        '10.2.0.5 @w1',
        '10.2.0.6 !ready terminating @w1',
        '10.2.0.7 !ready terminating @w2',
        '10.2.0.8 !ready @w3',
      ],
      [
        'w1 10.3.0.1:30080 w1 active',
        'w2 10.3.0.2:30080 w0 draining (terminating)',
        'w3 10.3.0.3:30080 w0 draining (not ready)',
      ],
    ],
    [
      'serving while terminating, when none is ready',
      ['w1 10.3.0.1', 'w2 10.3.0.2'],
      ['10.2.0.5 !ready !serving @w1', '10.2.0.6 !ready terminating @w2'],
      [
        'w1 10.3.0.1:30080 w0 draining (not ready)',
        'w2 10.3.0.2:30080 w1 active (serving while terminating)',
      ],
    ],
    [
      'a node that gets nothing new does not keep those from it',
      ['w1 10.3.0.1 !ready', 'w2 10.3.0.2'],
      ['10.2.0.5 @w1', '10.2.0.6 !ready terminating @w2'],
      [
        'w1 10.3.0.1:30080 w0 draining (node not ready)',
        'w2 10.3.0.2:30080 w1 active (serving while terminating)',
      ],
    ],
  ])('%s', (_, nodes, endpoints, backends) =>
    expect(backendsOf({ nodes, slices: ofEndpoints(...endpoints), changes: LOCAL })).toEqual(backends),
  );

  test('a node weighs what its endpoints do', () => {
    const slices = [
      slice({
        annotations: { 'l4lb.io/weights': '{10.2.0.5: 70, 10.2.0.6: 50, 10.2.0.7: 0}' },
        endpoints: ['10.2.0.5 @w1', '10.2.0.6 @w1', '10.2.0.7 @w2'].map(endpoint),
      }),
    ];
    expect(backendsOf({ nodes: ['w1 10.3.0.1', 'w2 10.3.0.2'], slices, changes: LOCAL })).toEqual([
      'w1 10.3.0.1:30080 w120 active',
      'w2 10.3.0.2:30080 w0 draining (weight 0)',
    ]);
  });

  test('an endpoint that moves from slice to slice weighs once', () => {
    const slices = ['a', 'b'].map((name) => slice({ name, endpoints: [endpoint('10.2.0.5 @w1')] }));
    expect(backendsOf({ nodes: ['w1 10.3.0.1'], slices, changes: LOCAL })).toEqual([
      'w1 10.3.0.1:30080 w1 active',
    ]);
  });

  test('endpoints without a node get nothing, which is said', () => {
    const of = { nodes: ['w1 10.3.0.1'], slices: ofEndpoints('10.2.0.5', '10.2.0.6 @w1'), changes: LOCAL };
    expect(backendsOf(of)).toEqual(['w1 10.3.0.1:30080 w1 active']);
    expect(codesOf(of)).toEqual(['warning endpoint-without-node', 'warning external-traffic-policy']);
  });
});

describe('both families', () => {
  const slices = [
    slice({ name: 'four', endpoints: [endpoint('10.2.0.5 @w1')] }),
    slice({ name: 'six', addressType: 'IPv6', endpoints: [endpoint('2001:db8:3::5 @w2')] }),
  ];
  const addresses = (nodes: readonly string[], changes: Partial<Service> = {}, from = slices) =>
    stateOf({
      nodes,
      slices: from,
      changes: { externalIPs: ['10.1.0.2', '2001:db8:1::2'], ...changes },
    }).services.map(({ frontend, backends }) =>
      [frontend.vip, ...backends.map(({ address }) => address)].join(' '),
    );
  const NODES = ['w1 10.3.0.1 2001:db8:9::1 10.3.0.11', 'w2 2001:db8:9::2 10.3.0.2', 'w3 10.3.0.3'];

  test('a VIP is served by the first address of its family of each node, as far as it has one', () => {
    expect(addresses(NODES)).toEqual([
      '10.1.0.2 10.3.0.1 10.3.0.2 10.3.0.3',
      '2001:db8:1::2 2001:db8:9::1 2001:db8:9::2',
    ]);
    expect(addresses(NODES, LOCAL)).toEqual(['10.1.0.2 10.3.0.1', '2001:db8:1::2 2001:db8:9::2']);
  });

  test('a family without endpoints has no node port, whatever addresses nodes have', () => {
    const four = slices.slice(0, 1);
    expect(addresses(NODES, {}, four)).toEqual(['10.1.0.2 10.3.0.1 10.3.0.2 10.3.0.3', '2001:db8:1::2']);
    const changes = { externalIPs: ['2001:db8:1::2'] };
    expect(codesOf({ nodes: NODES, slices: four, changes })).toEqual(['warning no-backend-of-family']);
  });
});

describe('ports', () => {
  test('each has its node port, and the one of another protocol may be the same', () => {
    const changes: Partial<Service> = {
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT },
        { name: 'quic', port: 80, protocol: 'UDP', nodePort: NODE_PORT },
        { name: 'none', port: 81, protocol: 'TCP' },
      ],
    };
    const ports = (['http', 'quic', 'none'] as const).map((name) => ({
      name,
      port: 8080,
      protocol: name === 'quic' ? 'UDP' : 'TCP',
    }));
    const slices = [slice({ ports, endpoints: [endpoint('10.2.0.5')] })];
    const { services, problems } = stateOf({ nodes: ['w1 10.3.0.1'], slices, changes });
    expect(
      services.map(({ frontend, backends }) =>
        [`${frontend.port}/${frontend.protocol}`, ...backends.map(({ port }) => port)].join(' '),
      ),
    ).toEqual(['80/TCP 30080', '80/UDP 30080', '81/TCP']);
    expect(problems.map(({ code }) => code)).toEqual(['no-node-port']);
  });

  test.each([
    ['ClusterIP', 'type NodePort or LoadBalancer gives it one'],
    ['LoadBalancer', 'allocateLoadBalancerNodePorts: true'],
  ])('without a node port, the remedy for type %s is said', (type, remedy) => {
    const changes = {
      type,
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      origin: origin('a.yaml', 1, { 'spec.ports.0': 9 }),
    };
    const { services, problems } = stateOf({ nodes: ['w1 10.3.0.1'], changes });
    expect(services[0]?.backends).toEqual([]);
    expect(problems).toMatchObject([{ severity: 'error', code: 'no-node-port', line: 9 }]);
    expect(problems[0]?.message).toContain(remedy);
  });
});

describe('who asks for node ports', () => {
  const PODS = { ...SETTINGS, backends: { kind: 'pods', nodes: true } } as const;
  const UNFOLLOWED = { ...SETTINGS, backends: { kind: 'pods', nodes: false } } as const;
  const said = (text: string) => ({ annotations: { 'l4lb.io/backends': text } });
  test.each<[string, ServiceSettings, Partial<Service>, string, string[]]>([
    ['all', ALL, {}, '10.3.0.1:30080', []],
    ['all but one', ALL, said('pods'), '10.2.0.5:8080', []],
    ['none', PODS, {}, '10.2.0.5:8080', []],
    ['one', PODS, said(' node-ports '), '10.3.0.1:30080', []],
    ['an unknown word', PODS, said('nodes'), '10.2.0.5:8080', ['error invalid-backends']],
    ['an unknown word where all do', ALL, said('nodes'), '10.3.0.1:30080', ['error invalid-backends']],
    [
      'one, and Nodes are not followed',
      UNFOLLOWED,
      said('node-ports'),
      '10.2.0.5:8080',
      ['error nodes-not-followed'],
    ],
    ['pods, and Nodes are not followed', UNFOLLOWED, said('pods'), '10.2.0.5:8080', []],
    // A worker's view: what LB nodes send to node ports is none of its business.
    ['nobody is asked', { ...SETTINGS, backends: undefined }, said('node-ports'), '10.2.0.5:8080', []],
  ])('%s', (_, settings, changes, backend, codes) => {
    const of = { nodes: ['w1 10.3.0.1'], settings, changes };
    const [{ address, port } = { address: '', port: 0 }] = stateOf(of).services[0]?.backends ?? [];
    expect(`${address}:${port}`).toBe(backend);
    expect(codesOf(of)).toEqual(codes);
  });
});

describe('what node ports cannot do', () => {
  const mode = (text: string) => ({ annotations: { 'l4lb.io/mode': text } });
  test.each<[string, Partial<Service>, ServiceSettings, string[]]>([
    ['a mode of DSR for the Service', mode('ipip'), ALL, ['error mode-needs-pods']],
    [
      'the same, both said',
      { annotations: { 'l4lb.io/mode': 'l2', 'l4lb.io/backends': 'node-ports' } },
      SETTINGS,
      ['error mode-needs-pods'],
    ],
    ['no mode', mode('tcp'), ALL, ['error invalid-mode']],
    ['snat, as it is anyway', mode('snat'), ALL, []],
    // What the Service says of itself goes before what is said of all.
    [
      'a mode of DSR for all others',
      { annotations: { 'l4lb.io/backends': 'node-ports' } },
      { ...SETTINGS, mode: 'gue' },
      [],
    ],
    ['the client address', LOCAL, ALL, ['warning external-traffic-policy']],
    ['affinity to an endpoint', { sessionAffinity: 'ClientIP' }, ALL, ['warning affinity-by-node']],
  ])('%s', (_, changes, settings, codes) => {
    const of = { nodes: ['w1 10.3.0.1'], changes, settings };
    expect(codesOf(of)).toEqual(codes);
    const [served] = stateOf(of).services;
    expect([served?.mode, served?.window, served?.backends[0]?.port]).toEqual(['snat', undefined, NODE_PORT]);
  });

  test('without a SNAT address of the family it is not served', () => {
    const settings = { ...ALL, snatFamilies: [6 as const] };
    expect(codesOf({ nodes: ['w1 10.3.0.1'], settings })).toEqual(['error no-snat-address']);
  });
});

describe('nodes that cannot be used', () => {
  test.each<[string, string[], string[]]>([
    ['no Node at all', [], ['warning no-usable-node']],
    ['none that is fit', ['w1 10.3.0.1 !ready', 'lb1 10.3.0.2 lb'], ['warning no-usable-node']],
    ['no address', ['w1 10.3.0.1', 'w2'], ['warning node-without-address']],
    [
      'no address that one can have',
      ['w1 10.3.0.1', 'w2 300.1.1.1 10.3.0.2'],
      ['error invalid-node-address'],
    ],
    ['an address of a VIP', ['w1 10.3.0.1', 'w2 10.1.0.77'], ['error node-in-vip-range']],
    ['one address twice', ['w1 10.3.0.1', 'w2 10.3.0.1'], ['warning duplicate-node-address']],
    // LB nodes have an address each, but nothing is sent there.
    ['an LB node', ['w1 10.3.0.1', 'lb1 10.1.0.77 lb'], []],
  ])('%s', (_, nodes, codes) => expect(codesOf({ nodes })).toEqual(codes));

  test('endpoints on nodes that get nothing are nobody, which is said of the Service', () => {
    const [problem] = stateOf({ nodes: ['w2 10.3.0.2'], changes: LOCAL }).problems.filter(
      ({ code }) => code === 'no-usable-node',
    );
    expect(problem).toMatchObject({ object: { kind: 'Service', name: 'web' } });
    expect(codesOf({ nodes: ['w2 10.3.0.2'], slices: ofEndpoints('10.2.0.5 !ready !serving') })).toEqual([]);
  });

  test('of two with one address the one that is fit has it', () => {
    expect(backendsOf({ nodes: ['a 10.3.0.1 !ready', 'b 10.3.0.1'] })).toEqual([
      'b 10.3.0.1:30080 w1 active',
    ]);
  });

  test('a problem of a Node names it, with its line', () => {
    const broken: KubeNode = { ...node('w2'), origin: origin('n.yaml', 3, { 'status.addresses': 7 }) };
    const { problems } = build([web()], [], ALL, [broken]);
    expect(problems).toMatchObject([
      {
        code: 'node-without-address',
        object: { kind: 'Node', namespace: '', name: 'w2' },
        file: 'n.yaml',
        line: 7,
      },
    ]);
  });
});
