/** The cluster that is followed: Services with hand-made EndpointSlices, as many as a large one has. */
import { ApiClient, type KubeObject } from '../../kube/api-client.ts';
import type { ControlPlane } from '../../kube/control-plane.ts';

export interface ClusterSize {
  readonly services: number;
  /** EndpointSlices of each Service. */
  readonly slices: number;
  /** Endpoints of each slice. */
  readonly endpoints: number;
  /** Pods have more than one Service, as next_hops has room for 49,152 addresses. */
  readonly pods: number;
}

export const VIP_RANGE = '100.64.0.0/16';
const FIRST_VIP = (100 << 24) + (64 << 16) + 2;
/** Behind the gateway. */
const FIRST_POD = (10 << 24) + (64 << 16) + 1;
const NODES = 5_000;
/** Requests under way: enough to keep the server busy. */
const SOCKETS = 48;

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export function vipOf(service: number): string {
  return dotted(FIRST_VIP + service);
}

const nameOf = (service: number): string => `service-${String(service).padStart(5, '0')}`;

function serviceObject(service: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: nameOf(service), namespace: 'default' },
    spec: {
      externalIPs: [vipOf(service)],
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
  };
}

/** `readyOf` the endpoints by their place in the slice. */
export function sliceObject(
  size: ClusterSize,
  service: number,
  slice: number,
  isReady: (endpoint: number) => boolean = () => true,
): KubeObject {
  const endpoints = Array.from({ length: size.endpoints }, (_, endpoint) => {
    const place = (service * size.slices + slice) * size.endpoints + endpoint;
    const pod = place % size.pods;
    const ready = isReady(endpoint);
    return {
      addresses: [dotted(FIRST_POD + pod)],
      conditions: { ready, serving: ready, terminating: false },
      nodeName: `node-${String(pod % NODES).padStart(4, '0')}.example.net`,
      targetRef: {
        kind: 'Pod',
        namespace: 'default',
        name: `application-${String(pod).padStart(5, '0')}-7d9c6b5f48-x2x4z`,
        uid: `5f1c0b3e-7c64-4b1f-9d7a-${String(pod).padStart(12, '0')}`,
      },
      zone: `zone-${pod % 3}`,
    };
  });
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName(service, slice),
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': nameOf(service) },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
  };
}

export function sliceName(service: number, slice: number): string {
  return `${nameOf(service)}-${slice}`;
}

export function manyRequests(plane: ControlPlane): ApiClient {
  return new ApiClient(plane, SOCKETS);
}

/** Runs `work` for 0..count-1, as many at a time as there are connections. */
export async function eachOf(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: SOCKETS }, worker));
}

export async function fillCluster(client: ApiClient, size: ClusterSize): Promise<void> {
  await eachOf(size.services, (n) =>
    client.do('POST', '/api/v1/namespaces/default/services', serviceObject(n)),
  );
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
  await eachOf(size.services * size.slices, (n) =>
    client.do('POST', path, sliceObject(size, Math.floor(n / size.slices), n % size.slices)),
  );
}

export function changeSlice(client: ApiClient, slice: KubeObject): Promise<unknown> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/${slice.metadata.name}`;
  return client.do('PUT', path, slice);
}
