/** Requests to an API server as its admin, for tests: without any of the code under test. */
import { Agent, type RequestOptions, request } from 'node:https';
import type { ControlPlane } from './control-plane.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class ApiClient {
  readonly #options: RequestOptions;

  /** sockets: requests that are under way at a time. */
  constructor(plane: ControlPlane, sockets = 8) {
    const { credentials, port, place } = plane;
    const agent = new Agent({ keepAlive: true, maxSockets: sockets });
    this.#options = { host: place.address, port, ...credentials, agent };
  }

  ask(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    const text = body === undefined ? '' : JSON.stringify(body);
    // Said, because Node leaves it out for DELETE.
    const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const sent = request({ ...this.#options, method, path, headers }, (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          answer += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer) }));
      });
      sent.setTimeout(20_000, () => sent.destroy(new Error(`${method} ${path}: no answer in 20 s`)));
      sent.on('error', reject);
      sent.end(text);
    });
  }

  /** Throws unless the server says that it is done. */
  async do(method: string, path: string, body?: unknown, type?: string): Promise<unknown> {
    const answer = await this.ask(method, path, body, type);
    if (answer.status < 300) return answer.body;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  /** Server-side apply: makes it, or changes it to this. */
  async apply(object: KubeObject): Promise<void> {
    const path = `${pathOf(object)}?fieldManager=test&force=true`;
    await this.do('PATCH', path, object, 'application/apply-patch+yaml');
  }

  async delete(object: KubeObject): Promise<void> {
    await this.do('DELETE', pathOf(object), { gracePeriodSeconds: 0 });
  }
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [more: string]: unknown };
  readonly [more: string]: unknown;
}

const RESOURCES: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  EndpointSlice: 'endpointslices',
  Namespace: 'namespaces',
  Node: 'nodes',
  Pod: 'pods',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
};

function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${root}${place}/${RESOURCES[kind]}/${metadata.name}`;
}

export function service(name: string, vip: string, more: Readonly<Record<string, unknown>> = {}): KubeObject {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { externalIPs: [vip], ports, ...more },
  };
}

/** A hand-made one, of a Service without a selector. */
export function slice(name: string, serviceName: string, addresses: readonly string[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}
