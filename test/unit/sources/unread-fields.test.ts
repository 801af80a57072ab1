import { expect, test } from 'vitest';
import { parseManifest } from '../../../src/sources/manifest-parser.ts';

const SERVICE = '{ apiVersion: v1, kind: Service, metadata: { name: a }, spec: { SPEC }, status: STATUS }';
const SLICE =
  '{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: b }, addressType: IPv4, MORE }';

/** Without where it was written. */
const plain = (text: string) =>
  parseManifest(Buffer.from(text), '/m/a.yaml').objects.map(({ origin: _, ...object }) => object);

const service = (spec: readonly string[], ingress: string) =>
  plain(
    SERVICE.replace('SPEC', spec.join(', ')).replace('STATUS', `{ loadBalancer: { ingress: [${ingress}] } }`),
  );
const slice = (port: string, endpoint: string) =>
  plain(SLICE.replace('MORE', `ports: [{ ${port} }], endpoints: [{ ${endpoint} }]`));

test('fields that are not read change nothing', () => {
  const read = service(['ports: [{ port: 80 }]'], '{ ip: 10.1.0.3 }');
  expect(read).toHaveLength(1);
  const spec = [
    'clusterIPs: [10.96.0.9]',
    'selector: { app: web }',
    'allocateLoadBalancerNodePorts: true',
    'healthCheckNodePort: 30002',
    'internalTrafficPolicy: Local',
    'trafficDistribution: PreferClose',
    'externalName: web.example',
    'ports: [{ port: 80, targetPort: http, nodePort: 30001, appProtocol: http }]',
  ];
  expect(service(spec, '{ ip: 10.1.0.3, ports: [{ port: 80, protocol: TCP }] }')).toEqual(read);

  const endpoint = 'addresses: [10.2.0.5]';
  const known = slice('port: 80', endpoint);
  expect(known).toHaveLength(1);
  const more = [
    endpoint,
    'hostname: web-1',
    'zone: a',
    'hints: { forZones: [{ name: a }], forNodes: [{ name: w }] }',
    'deprecatedTopology: { a: b }',
  ];
  expect(slice('port: 80, appProtocol: http', more.join(', '))).toEqual(known);
});
