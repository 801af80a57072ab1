/**
 * Which pods of this worker serve which frontends: what the node program needs to know of the services.
 * Pure.
 */
import { familyOf, type IpAddress, parseAddress } from '../net/address.ts';
import type { DesiredBackend, DesiredService, Problem, Protocol } from '../services/desired-state.ts';
import { runAtOnce } from '../slices/run-in-slices.ts';
import type { EndpointSlice } from '../sources/kube-objects.ts';

/** One way to a pod. Port and protocol 0: what of the VIP has no ports. */
export interface Target {
  readonly vip: IpAddress;
  readonly port: number;
  readonly protocol: 0 | 6 | 17;
  /** The tunnel's outer destination: the backend's address as LB nodes have it. */
  readonly outer: IpAddress;
  /** The pod's address in the VIP's family. */
  readonly address: IpAddress;
  readonly targetPort: number;
}

export interface TargetScope {
  /** This node's name in Kubernetes. */
  readonly node: string;
  /** `local`: only endpoints that name this node, or none. */
  readonly endpoints: 'local' | 'all';
}

export interface TargetPlan {
  /** Each key once. */
  readonly targets: readonly Target[];
  readonly problems: readonly Problem[];
}

const PROTOCOLS: Readonly<Record<Protocol, 6 | 17>> = { TCP: 6, UDP: 17 };

export function planTargets(
  services: readonly DesiredService[],
  slices: readonly EndpointSlice[],
  scope: TargetScope,
): TargetPlan {
  return runAtOnce(planTargetsInPieces(services, slices, scope));
}

/** The same with places to pause at; what it is given must not change meanwhile. */
export function* planTargetsInPieces(
  services: readonly DesiredService[],
  slices: readonly EndpointSlice[],
  scope: TargetScope,
): Generator<void, TargetPlan> {
  const targets = new Map<string, Target>();
  const problems: Problem[] = [];
  const here = new Map<DesiredService, readonly DesiredBackend[]>();
  for (const service of services) {
    const backends = service.backends.filter((one) => isHere(one, scope));
    if (backends.length > 0) here.set(service, backends);
    yield;
  }
  const twins = new PodAddresses();
  if ([...here].some(([service, backends]) => hasOtherFamily(service, backends))) yield* twins.learn(slices);
  for (const [service, backends] of here) {
    for (const backend of backends) addTargets(targets, problems, service, backend, twins);
    yield;
  }
  const foreign = here.size === 0 ? foreignProblem(services, scope) : undefined;
  return {
    targets: [...targets.values()],
    problems: foreign === undefined ? problems : [foreign, ...problems],
  };
}

/** Some packet comes in a tunnel to an address that is not of the VIP's family. */
function hasOtherFamily({ frontend }: DesiredService, backends: readonly DesiredBackend[]): boolean {
  const isV6 = frontend.vip.includes(':');
  return backends.some(({ address }) => address.includes(':') !== isV6);
}

function isHere({ node }: DesiredBackend, scope: TargetScope): boolean {
  return scope.endpoints === 'all' || node === undefined || node === scope.node;
}

function addTargets(
  targets: Map<string, Target>,
  problems: Problem[],
  service: DesiredService,
  backend: DesiredBackend,
  twins: PodAddresses,
): void {
  const { frontend, namespace, name } = service;
  const report = (code: string, message: string): void => {
    problems.push({ severity: 'error', code, message, object: { kind: 'Service', namespace, name } });
  };
  const vip = parseAddress(frontend.vip);
  const outer = parseAddress(backend.address);
  if (vip === undefined || outer === undefined) return;
  const address = familyOf(vip) === familyOf(outer) ? outer : twins.of(backend, familyOf(vip));
  if (address === undefined) {
    const message = `${frontend.vip} is IPv${familyOf(vip)}, and no EndpointSlice has such an address of the pod behind ${backend.address}; packets in its tunnel are dropped`;
    report('pod-family', message);
    return;
  }
  const target: Target = {
    vip,
    outer,
    address,
    port: frontend.port,
    protocol: PROTOCOLS[frontend.protocol],
    targetPort: backend.port,
  };
  const other = targets.get(targetKey(target));
  if (other !== undefined) {
    const place = `${frontend.vip}:${frontend.port}/${frontend.protocol}`;
    const message = `${place} has two endpoints with address ${backend.address}, ports ${other.targetPort} and ${backend.port}: a tunnel cannot tell them apart; ${other.targetPort} gets all`;
    report('endpoint-ports', message);
    return;
  }
  targets.set(targetKey(target), target);
  const portless: Target = { ...target, port: 0, protocol: 0, targetPort: 0 };
  targets.set(targetKey(portless), portless);
}

/** All endpoints have other nodes' names: probably `node` is not this node's name in Kubernetes. */
function foreignProblem(services: readonly DesiredService[], scope: TargetScope): Problem | undefined {
  const backends = services.flatMap((service) => service.backends);
  if (backends.length === 0) return undefined;
  const names = [...new Set(backends.map(({ node }) => node))].sort().slice(0, 3).join(', ');
  const message = `no endpoint is on node "${scope.node}"; there are ${names}. If this node has pods, set node to its name in Kubernetes, or endpoints to all`;
  return { severity: 'warning', code: 'no-endpoint-here', message };
}

function targetKey({ vip, outer, port, protocol }: Target): string {
  return `${vip}|${outer}|${port}|${protocol}`;
}

/** The addresses of pods in both families, by the pod that endpoints say they are. */
class PodAddresses {
  readonly #byPod = new Map<string, Map<4 | 6, IpAddress>>();

  *learn(slices: readonly EndpointSlice[]): Generator<void, void> {
    for (const { endpoints } of slices) {
      for (const { target, addresses } of endpoints) {
        const address = parseAddress(addresses[0] ?? '');
        if (target === undefined || address === undefined) continue;
        const known = this.#byPod.get(target) ?? new Map<4 | 6, IpAddress>();
        this.#byPod.set(target, known.set(familyOf(address), address));
      }
      yield;
    }
  }

  of({ target }: DesiredBackend, family: 4 | 6): IpAddress | undefined {
    return target === undefined ? undefined : this.#byPod.get(target)?.get(family);
  }
}
