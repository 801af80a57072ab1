/** Kubernetes manifests for a rig's services: the files that the agents of the rig read. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { podsOf, VIP } from './one-armed.ts';
import type { Rig } from './rig.ts';
import { POD_PORTS } from './server-configs.ts';
import type { Pod, Topology } from './topology.ts';

export interface PortSpec {
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly targetPort: number;
}

/** Not said: ready, serving, not terminating, weight 1. */
export interface EndpointSpec {
  readonly address: string;
  readonly pod: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly weight?: number;
}

export interface ServiceSpec {
  readonly name: string;
  readonly vip: string;
  readonly ports: readonly PortSpec[];
  readonly endpoints: readonly EndpointSpec[];
}

/** A Service and its EndpointSlice as the two documents of one file. */
export function serviceManifest(service: ServiceSpec): string {
  const ports = service.ports.map(({ name, protocol, port, targetPort }) => ({
    name,
    protocol,
    port,
    targetPort,
  }));
  const slicePorts = service.ports.map(({ name, protocol, targetPort }) => ({
    name,
    protocol,
    port: targetPort,
  }));
  const weights = service.endpoints.filter(({ weight }) => weight !== undefined);
  const annotations =
    weights.length === 0
      ? {}
      : {
          annotations: {
            'l4lb.io/weights': JSON.stringify(Object.fromEntries(weights.map((e) => [e.address, e.weight]))),
          },
        };
  const documents = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service.name, namespace: 'demo' },
      spec: { type: 'ClusterIP', externalIPs: [service.vip], ports },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${service.name}-1`,
        namespace: 'demo',
        labels: { 'kubernetes.io/service-name': service.name },
        ...annotations,
      },
      addressType: 'IPv4',
      ports: slicePorts,
      endpoints: service.endpoints.map(endpoint),
    },
  ];
  return documents.map((document) => stringify(document)).join('---\n');
}

function endpoint(spec: EndpointSpec) {
  const { ready = true, terminating = false, serving = ready } = spec;
  return {
    addresses: [spec.address],
    conditions: { ready, serving, terminating },
    targetRef: { kind: 'Pod', namespace: 'demo', name: spec.pod },
  };
}

/** web on 80/TCP, dns on 53/UDP and 53/TCP, echo on 7/TCP: all of the rig's pods behind one VIP. */
export function demoServices(topology: Topology): { web: ServiceSpec; dns: ServiceSpec; echo: ServiceSpec } {
  const service = (name: Pod['app'], ports: PortSpec[]): ServiceSpec => ({
    name,
    vip: VIP,
    ports,
    endpoints: podsOf(topology, name).map((pod) => ({ address: pod.address, pod: pod.name })),
  });
  const port = (name: string, protocol: 'TCP' | 'UDP', number: number, targetPort: number) => ({
    name,
    protocol,
    port: number,
    targetPort,
  });
  return {
    web: service('web', [port('http', 'TCP', 80, POD_PORTS.web)]),
    dns: service('dns', [port('dns', 'UDP', 53, POD_PORTS.dns), port('dns-tcp', 'TCP', 53, POD_PORTS.dns)]),
    echo: service('echo', [port('echo', 'TCP', 7, POD_PORTS.echo)]),
  };
}

/** The same service with some endpoints changed, by the name of the pod; undefined takes the endpoint out. */
export function withEndpoint(
  service: ServiceSpec,
  pod: string,
  change: Partial<EndpointSpec> | undefined,
): ServiceSpec {
  const endpoints = service.endpoints.flatMap((spec) =>
    spec.pod !== pod ? [spec] : change === undefined ? [] : [{ ...spec, ...change }],
  );
  return { ...service, endpoints };
}

/** The directory that all agents of the rig read. */
export function manifestDirectory(rig: Rig): string {
  const directory = join(rig.directory, 'manifests');
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Puts a file there in one step, as a careful operator does. */
export function writeManifest(rig: Rig, name: string, text: string): void {
  const directory = manifestDirectory(rig);
  const half = join(rig.directory, `${name}.half`);
  writeFileSync(half, text);
  renameSync(half, join(directory, `${name}.yaml`));
}

export function writeService(rig: Rig, service: ServiceSpec): void {
  writeManifest(rig, service.name, serviceManifest(service));
}

export function removeManifest(rig: Rig, name: string): void {
  rmSync(join(manifestDirectory(rig), `${name}.yaml`));
}
