import { expect, test } from 'vitest';
import { parseManifest } from '../../../src/sources/manifest-parser.ts';

const parse = (text: string) => parseManifest(Buffer.from(text), '/m/a.yaml');

test('fields of a Node', () => {
  const text = (more: string, metadata = '') =>
    `apiVersion: v1\nkind: Node\nmetadata: { name: w1, namespace: any${metadata} }\n${more}`;
  const read = (more: string, metadata?: string) => parse(text(more, metadata)).objects[0];
  expect(read('')).toEqual({
    kind: 'Node',
    namespace: '',
    name: 'w1',
    annotations: {},
    internalIPs: [],
    ready: false,
    excluded: false,
    leaving: false,
    isLb: false,
    origin: { file: '/m/a.yaml', line: 1, lines: { 'status.addresses': expect.any(Number) } },
  });
  const status =
    'status: { addresses: [{ type: Hostname, address: w1 }, { type: InternalIP, address: 10.3.0.1 }, { type: InternalIP, address: "2001:db8::1" }], conditions: [{ type: Ready, status: "True" }] }';
  expect(read(status)).toMatchObject({ internalIPs: ['10.3.0.1', '2001:db8::1'], ready: true });
  expect(read('status: { conditions: [{ type: Ready, status: Unknown }] }')).toMatchObject({
    ready: false,
  });
  const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
  expect(read('', `, labels: { ${label}: "" }`)).toMatchObject({ excluded: true, isLb: false });
  expect(read('', ', labels: { l4lb.io/role: lb }')).toMatchObject({ excluded: false, isLb: true });
  expect(read('', ', deletionTimestamp: "2026-01-01T00:00:00Z"')).toMatchObject({ leaving: true });
  const taint = (key: string) => `spec: { taints: [{ key: ${key}, effect: NoSchedule }] }`;
  expect(read(taint('ToBeDeletedByClusterAutoscaler'))).toMatchObject({ leaving: true });
  expect(read(taint('node.kubernetes.io/unschedulable'))).toMatchObject({ leaving: false });
  const refused = parse(text('status: { addresses: 7 }'));
  expect(refused).toMatchObject({ objects: [], refused: ['Node /w1'] });
  expect(refused.problems).toMatchObject([
    { code: 'invalid-object', object: { kind: 'Node', namespace: '' } },
  ]);
});
