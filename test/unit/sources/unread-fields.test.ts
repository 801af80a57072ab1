import { expect, test } from 'vitest';
import { parseManifest } from '../../../src/sources/manifest-parser.ts';

const SERVICE = '{ apiVersion: v1, kind: Service, metadata: { name: a }, spec: { SPEC }, status: STATUS }';
const SLICE =
  '{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: b }, addressType: IPv4, MORE }';

const NODE =
  '{ apiVersion: v1, kind: Node, metadata: { name: w1, labels: { LABELS } }, spec: { SPEC }, status: { STATUS } }';
const ADDRESSES =
  'addresses: [{ type: InternalIP, address: 10.3.0.1 }], conditions: [{ type: Ready, status: "True" }]';

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
    // No node port, as the server says it of a Service that has none.
    'ports: [{ port: 80, targetPort: http, nodePort: 0, appProtocol: http }]',
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

  const kubelet = plain(NODE.replace('SPEC', '').replace('STATUS', ADDRESSES).replace('LABELS', ''));
  expect(kubelet).toMatchObject([
    { internalIPs: ['10.3.0.1'], ready: true, excluded: false, leaving: false },
  ]);
  const nodeSpec =
    'podCIDR: 10.2.0.0/24, podCIDRs: [10.2.0.0/24], providerID: x, unschedulable: true, externalID: y, configSource: {}, taints: [{ key: node.kubernetes.io/unschedulable }]';
  const nodeStatus = [
    ADDRESSES.replace(/, conditions.*/, '').replace(
      '[{',
      '[{ type: Hostname, address: w1 }, { type: ExternalIP, address: 192.0.2.1 }, {',
    ),
    'conditions: [{ type: Ready, status: "True", lastHeartbeatTime: now, reason: r }, { type: DiskPressure, status: "True" }]',
    'capacity: { cpu: 4 }, allocatable: { cpu: 4 }, phase: Running, nodeInfo: { kernelVersion: 6.1 }',
    'images: [{ names: [a] }], volumesInUse: [v], volumesAttached: [], config: {}, features: {}',
    'daemonEndpoints: { kubeletEndpoint: { Port: 1 } }, runtimeHandlers: [], declaredFeatures: []',
  ];
  expect(
    plain(
      NODE.replace('SPEC', nodeSpec)
        .replace('STATUS', nodeStatus.join(', '))
        .replace('LABELS', 'zone: a, l4lb.io/role: node'),
    ),
  ).toEqual(kubelet);
});
