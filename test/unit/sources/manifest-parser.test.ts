import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ParsedManifest, parseManifest } from '../../../src/sources/manifest-parser.ts';

const parse = (text: string | Uint8Array): ParsedManifest =>
  parseManifest(typeof text === 'string' ? Buffer.from(text) : text, '/m/a.yaml');

const namesOf = ({ objects }: ParsedManifest) =>
  objects.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
const problemsOf = ({ problems }: ParsedManifest) =>
  problems.map(({ severity, code, line }) => `${severity} ${code} ${line}`);

const serviceText = (name: string) =>
  [
    'apiVersion: v1',
    'kind: Service',
    `metadata: { name: ${name} }`,
    'spec: { ports: [{ port: 80 }] }',
    '',
  ].join('\n');
const sliceText = (name: string) =>
  [
    'apiVersion: discovery.k8s.io/v1',
    'kind: EndpointSlice',
    `metadata: { name: ${name}, namespace: n }`,
    'addressType: IPv4',
    '',
  ].join('\n');

describe('what is read', () => {
  test.each<[string, string, string[]]>([
    ['one document', serviceText('a'), ['Service default/a']],
    ['several', `${serviceText('a')}---\n${sliceText('b')}`, ['Service default/a', 'EndpointSlice n/b']],
    ['empty ones between', `---\n---\n# nothing\n---\n${serviceText('a')}---\n`, ['Service default/a']],
    ['nothing', '', []],
    ['a comment', '# nothing\n', []],
    ['CRLF', serviceText('a').replaceAll('\n', '\r\n'), ['Service default/a']],
    ['a byte order mark', `\ufeff${serviceText('a')}`, ['Service default/a']],
    [
      'JSON',
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a', namespace: 'n' } }),
      ['Service n/a'],
    ],
    [
      'JSON with tabs',
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } }, null, '\t'),
      ['Service default/a'],
    ],
    [
      'List',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [
          { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } },
          {
            apiVersion: 'discovery.k8s.io/v1',
            kind: 'EndpointSlice',
            metadata: { name: 'b' },
            addressType: 'IPv4',
          },
        ],
      }),
      ['Service default/a', 'EndpointSlice default/b'],
    ],
    ['an empty List', '{apiVersion: v1, kind: List, items: null}', []],
    [
      'ServiceList, whose items need not say what they are',
      '{apiVersion: v1, kind: ServiceList, items: [{metadata: {name: a}}]}',
      ['Service default/a'],
    ],
    [
      'EndpointSliceList',
      '{apiVersion: discovery.k8s.io/v1, kind: EndpointSliceList, items: [{metadata: {name: a}, addressType: IPv4}]}',
      ['EndpointSlice default/a'],
    ],
    [
      'anchors and merge keys',
      'x: &m { apiVersion: v1, kind: Service }\n<<: *m\nmetadata: { name: a }',
      ['Service default/a'],
    ],
  ])('%s', (_, text, names) => {
    const parsed = parse(text);
    expect(namesOf(parsed)).toEqual(names);
    expect(parsed).toMatchObject({ problems: [], refused: [], broken: false });
  });

  test('every field of a Service that is used', () => {
    const [object] = parse(`
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  creationTimestamp: "2024-05-01T10:00:00Z"
  annotations: { l4lb.io/slots: "251" }
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.9
  externalIPs:
    - 10.1.0.2
    - 10.1.0.3
  ports:
    - name: http
      port: 80
      targetPort: web
    - { name: dns, port: 53, protocol: UDP }
  publishNotReadyAddresses: true
  sessionAffinity: ClientIP
  externalTrafficPolicy: Local
  loadBalancerClass: a/b
  loadBalancerSourceRanges: [10.0.0.0/8]
status:
  loadBalancer:
    ingress:
      - ip: 10.1.0.4
        ipMode: Proxy
      - hostname: lb.example
`).objects;
    expect(object).toMatchObject({
      kind: 'Service',
      namespace: 'shop',
      name: 'web',
      createdAt: Date.UTC(2024, 4, 1, 10),
      annotations: { 'l4lb.io/slots': '251' },
      type: 'LoadBalancer',
      clusterIP: '10.96.0.9',
      externalIPs: ['10.1.0.2', '10.1.0.3'],
      ports: [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
      publishNotReadyAddresses: true,
      sessionAffinity: 'ClientIP',
      externalTrafficPolicy: 'Local',
      loadBalancerClass: 'a/b',
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      ingress: [{ ip: '10.1.0.4', ipMode: 'Proxy' }, {}],
    });
    expect(object?.origin).toMatchObject({
      file: '/m/a.yaml',
      line: 2,
      lines: {
        'metadata.annotations.l4lb.io/slots': 8,
        'spec.type': 10,
        'spec.externalIPs.1': 14,
        'spec.ports.0': 16,
        'spec.ports.1': 19,
        'spec.loadBalancerSourceRanges.0': 24,
        'status.loadBalancer.ingress.1': 30,
      },
    });
  });

  test.each(['5', 'true', '~', '[a]', '{ a: b }'])(
    'an annotation %s without quotes is no string',
    (value) => {
      const { objects, problems } = parse(`apiVersion: v1
kind: Service
metadata: { name: web, annotations: { l4lb.io/slots: ${value} } }
`);
      expect(objects).toEqual([]);
      expect(problems).toMatchObject([
        {
          code: 'invalid-object',
          line: 3,
          message: expect.stringContaining(
            'l4lb.io/slots: must be a string: put it in quotes; the object stays',
          ),
        },
      ]);
    },
  );

  test('the conditions of an endpoint, said or not', () => {
    const conditions = [
      'null',
      '{}',
      '{ ready: null, serving: null, terminating: null }',
      '{ ready: false }',
      '{ ready: false, serving: true, terminating: true }',
      '{ serving: false }',
    ];
    const endpoints = conditions
      .map((each) => `  - { addresses: [10.2.0.5], conditions: ${each} }`)
      .join('\n');
    const [object] = parse(`${sliceText('a')}endpoints:\n${endpoints}`).objects;
    const found = object?.kind === 'EndpointSlice' ? object.endpoints : [];
    expect(found.map(({ ready, serving, terminating }) => [ready, serving, terminating])).toEqual([
      [true, true, false],
      [true, true, false],
      [true, true, false],
      [false, false, false],
      [false, true, true],
      [true, false, false],
    ]);
  });

  test('fields of an EndpointSlice', () => {
    const [object] =
      parse(`${sliceText('a').replace('namespace: n', 'namespace: n, labels: { kubernetes.io/service-name: web }')}
ports:
  - { name: http, port: 8080 }
  - { port: null, protocol: UDP }
endpoints:
  - addresses: [10.2.0.5]
    nodeName: worker
    targetRef: { kind: Pod, name: web-1 }
  - addresses: [10.2.0.6]
    targetRef: { kind: Node, name: other }
`).objects;
    expect(object).toMatchObject({
      service: 'web',
      addressType: 'IPv4',
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: '', protocol: 'UDP' },
      ],
      endpoints: [
        { addresses: ['10.2.0.5'], node: 'worker', target: 'n/web-1' },
        { addresses: ['10.2.0.6'] },
      ],
    });
    expect(object?.kind === 'EndpointSlice' && object.endpoints[1]).not.toHaveProperty('target');
    expect(object?.origin?.lines).toMatchObject({ addressType: 4, 'endpoints.0': 10, 'endpoints.1': 13 });
  });

  test('an object is plain data: it survives being sent to another thread', () => {
    const parsed = parse(`${serviceText('a')}---\n${sliceText('b')}`);
    expect(structuredClone(parsed)).toEqual(parsed);
  });
});

describe('what is wrong has a line, and leaves the rest alone', () => {
  test.each<[string, string, { names?: string[]; problems: string[]; refused?: string[]; broken?: boolean }]>(
    [
      ['a syntax error', 'a: [\n', { problems: ['error yaml-syntax 2'], broken: true }],
      [
        'a syntax error beside good documents',
        `${serviceText('a')}---\na: "b\n---\n${serviceText('c')}`,
        { names: ['Service default/a'], problems: ['error yaml-syntax 12'], broken: true },
      ],
      [
        'a bad document between good ones',
        `${serviceText('a')}---\na: b: c\n---\n${serviceText('c')}`,
        {
          names: ['Service default/a', 'Service default/c'],
          problems: ['error yaml-syntax 6'],
          broken: true,
        },
      ],
      [
        'a key twice',
        `${serviceText('a')}kind: Service\n`,
        { problems: ['error yaml-syntax 5'], broken: true },
      ],
      [
        'another kind',
        'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\n',
        { problems: ['warning unknown-kind 1'] },
      ],
      [
        'an old version',
        'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: { name: d }\n',
        { problems: ['error unsupported-version 1'], refused: ['EndpointSlice default/d'] },
      ],
      ['no kind', 'a: 1\n', { problems: ['error not-an-object 1'], broken: true }],
      ['a text', 'hello\n', { problems: ['error not-an-object 1'], broken: true }],
      ['a list of objects', '- a\n- b\n', { problems: ['error not-an-object 1'], broken: true }],
      [
        'a wrong type',
        `${serviceText('a').replace('port: 80', 'port: eighty')}---\n${serviceText('b')}`,
        {
          names: ['Service default/b'],
          problems: ['error invalid-object 4'],
          refused: ['Service default/a'],
        },
      ],
      [
        'no name',
        'apiVersion: v1\nkind: Service\nmetadata: {}\n',
        { problems: ['error invalid-object 3'], broken: true },
      ],
      [
        'a name that is none',
        'apiVersion: v1\nkind: Service\nmetadata:\n  name: A_b\n',
        { problems: ['error invalid-object 4'], refused: ['Service default/A_b'] },
      ],
      [
        'in a list, the line of the item',
        'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: 5\n',
        { problems: ['warning unknown-kind 4', 'error invalid-object 9'], broken: true },
      ],
      [
        'a list in itself',
        '&a\napiVersion: v1\nkind: List\nitems: [*a]\n',
        { problems: ['error nested-list 4'] },
      ],
    ],
  )('%s', (_, text, expected) => {
    const parsed = parse(text);
    expect(problemsOf(parsed)).toEqual(expected.problems);
    expect(namesOf(parsed)).toEqual(expected.names ?? []);
    expect(parsed.refused).toEqual(expected.refused ?? []);
    expect(parsed.broken).toBe(expected.broken ?? false);
    for (const { file } of parsed.problems) expect(file).toBe('/m/a.yaml');
  });

  test('the object of the problem is named', () => {
    const [problem] = parse(serviceText('a').replace('port: 80', 'port: x')).problems;
    expect(problem?.object).toEqual({ kind: 'Service', namespace: 'default', name: 'a' });
    expect(problem?.message).toMatch(/^spec\.ports\.0\.port: .*number/);
  });

  test('not UTF-8', () => {
    const parsed = parse(
      Buffer.concat([Buffer.from('a: 1\nb: 2\nc: '), Buffer.from([0xff, 0xfe]), Buffer.from('\n')]),
    );
    expect(problemsOf(parsed)).toEqual(['error not-utf8 3']);
    expect(parsed.broken).toBe(true);
  });

  test('UTF-16', () => {
    expect(problemsOf(parse(Buffer.from(`\ufeff${serviceText('a')}`, 'utf16le')))).toEqual([
      'error not-utf8 1',
    ]);
  });

  test('aliases that multiply are refused', () => {
    const levels = Array.from({ length: 12 }, (_, level) =>
      level === 0
        ? 'a0: &a0 [x]'
        : `a${level}: &a${level} [${Array(10)
            .fill(`*a${level - 1}`)
            .join(', ')}]`,
    );
    const parsed = parse(`${levels.join('\n')}\n`);
    expect(parsed.problems[0]).toMatchObject({
      code: 'yaml-syntax',
      message: expect.stringMatching(/alias/i),
    });
    expect(parsed.broken).toBe(true);
  });

  test('nesting that is deeper than the stack', () => {
    expect(parse('['.repeat(1_000_000)).problems[0]).toMatchObject({ code: 'yaml-syntax' });
  });

  test('a file with very many keys is read in linear time', () => {
    const keys = Array.from({ length: 20_000 }, (_, index) => `    k${index}: v`).join('\n');
    const text = serviceText('a').replace(
      'metadata: { name: a }',
      `metadata:\n  name: a\n  annotations:\n${keys}`,
    );
    expect(namesOf(parse(text))).toEqual(['Service default/a']);
  });
});

test('no bytes make it throw, and without an object there is a problem or nothing to read', () => {
  const piece = fc.constantFrom(
    'apiVersion: v1\n',
    'kind: Service\n',
    'kind: List\n',
    'items:\n',
    '- ',
    '---\n',
    'metadata: ',
    '{name: a}\n',
    '&a ',
    '*a ',
    '<<: ',
    '"',
    '[',
    '\t',
    '!!binary ',
    '? ',
    '|\n',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''))),
    fc.string({ unit: 'binary', maxLength: 100 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (each) => {
      const parsed = parse(each);
      if (parsed.broken) expect(parsed.problems).not.toEqual([]);
      for (const { line } of parsed.problems) expect(line).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

test('every beginning of a file is read or refused, never thrown at', () => {
  const text = `${serviceText('a')}---\n${sliceText('b')}`;
  for (let length = 0; length <= text.length; length++) parse(text.slice(0, length));
  expect(namesOf(parse(text))).toHaveLength(2);
});
