/**
 * The nodes by whose port a Service's packets go, and which of them get new connections: any that is fit
 * (kube-proxy takes a packet on to an endpoint anywhere), or with externalTrafficPolicy Local those that
 * have endpoints, by how many.
 */
import type { Family } from '../net/address.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { DesiredBackend } from './desired-state.ts';
import type { NodeAddress, NodePool } from './node-pool.ts';
import type { Report } from './report.ts';
import { type Candidate, chosenRank, type Rank, rank, uniqueCandidates } from './select-backends.ts';
import type { EndpointsByFamily } from './service-endpoints.ts';
import type { ServedPort } from './service-ports.ts';

/** By family; sorted by address. */
export function nodeBackends(
  service: Service,
  port: ServedPort,
  endpoints: EndpointsByFamily,
  { nodes }: NodePool,
  report: Report,
): Record<Family, readonly DesiredBackend[]> {
  if (port.nodePort === undefined) {
    report('error', 'no-node-port', messageOfNone(service, port), port.field);
    return { 4: [], 6: [] };
  }
  const isLocal = service.externalTrafficPolicy === 'Local';
  const ofFamily = (family: Family): DesiredBackend[] => {
    const own = endpoints[family];
    // The port is not one of this family: no endpoint of it is expected.
    if (own.length === 0) return [];
    const shares = isLocal ? localShares(nodes[family], own) : clusterShares(nodes[family], own);
    const backends = shares.map((share) => backendOf(share, port.nodePort as number));
    if (isLocal) reportNodeless(own, report);
    reportNoNode(family, port, own, backends, report);
    return backends;
  };
  return { 4: ofFamily(4), 6: ofFamily(6) };
}

function messageOfNone({ type }: Service, { port, protocol }: ServedPort): string {
  const remedy =
    type === 'LoadBalancer'
      ? 'allow it one by allocateLoadBalancerNodePorts: true, or give it a nodePort'
      : 'type NodePort or LoadBalancer gives it one';
  return `${port}/${protocol} has no node port, so it has no backend; ${remedy}, or set l4lb.io/backends: pods`;
}

/** A node, and what of new connections it may get before it is asked whether it is fit. */
interface Share {
  readonly node: NodeAddress;
  readonly weight: number;
  readonly reason?: DesiredBackend['reason'];
}

function clusterShares(nodes: readonly NodeAddress[], endpoints: readonly Candidate[]): Share[] {
  const isServed = endpoints.some((endpoint) => rank(endpoint) < 2);
  return nodes.map((node) => (isServed ? { node, weight: 1 } : { node, weight: 0, reason: 'no endpoint' }));
}

function localShares(nodes: readonly NodeAddress[], endpoints: readonly Candidate[]): Share[] {
  const byNode = new Map<string, Candidate[]>();
  for (const endpoint of uniqueCandidates(endpoints)) {
    if (endpoint.node === undefined) continue;
    const own = byNode.get(endpoint.node);
    if (own === undefined) byNode.set(endpoint.node, [endpoint]);
    else own.push(endpoint);
  }
  const placed = nodes.flatMap((node) => {
    const own = byNode.get(node.name);
    return own === undefined ? [] : [{ node, own }];
  });
  // What is on a node that gets nothing new does not keep others back.
  const chosen = chosenRank(placed.flatMap(({ node, own }) => (node.held === undefined ? own : [])));
  return placed.map(({ node, own }) => shareOf(node, own, chosen));
}

function shareOf(node: NodeAddress, own: readonly Candidate[], chosen: Rank): Share {
  const serving = own.filter((endpoint) => rank(endpoint) === chosen);
  if (serving.length === 0) {
    return {
      node,
      weight: 0,
      reason: own.every(({ terminating }) => terminating) ? 'terminating' : 'not ready',
    };
  }
  const weight = serving.reduce((sum, endpoint) => sum + endpoint.weight, 0);
  if (weight === 0) return { node, weight, reason: 'weight 0' };
  return chosen === 0 ? { node, weight } : { node, weight, reason: 'serving while terminating' };
}

function backendOf({ node, weight, reason }: Share, port: number): DesiredBackend {
  const about = { address: node.address, port, node: node.name };
  const held = node.held ?? reason;
  if (node.held !== undefined || weight === 0) {
    return { ...about, weight: 0, state: 'draining', ...(held === undefined ? {} : { reason: held }) };
  }
  return { ...about, weight, state: 'active', ...(reason === undefined ? {} : { reason }) };
}

function reportNodeless(endpoints: readonly Candidate[], report: Report): void {
  if (endpoints.every(({ node }) => node !== undefined)) return;
  const message =
    'there are endpoints without nodeName, which get nothing with externalTrafficPolicy Local: name the node, or say Cluster';
  report('warning', 'endpoint-without-node', message, 'spec.externalTrafficPolicy');
}

/** Endpoints that nobody can reach: no Node is known, none is fit, or none is named by them. */
function reportNoNode(
  family: Family,
  { port, protocol, field }: ServedPort,
  endpoints: readonly Candidate[],
  backends: readonly DesiredBackend[],
  report: Report,
): void {
  const ready = endpoints.filter((endpoint) => rank(endpoint) < 2 && endpoint.weight > 0).length;
  if (ready === 0 || backends.some(({ state }) => state === 'active')) return;
  const message = `${port}/${protocol} has ${ready} IPv${family} endpoints, but no node by which new connections reach one: a Node that is Ready, not excluded, no LB node, and has an IPv${family} InternalIP`;
  report('warning', 'no-usable-node', message, field);
}
