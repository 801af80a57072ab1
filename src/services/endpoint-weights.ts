/**
 * The annotation `l4lb.io/weights` of an EndpointSlice: a map in YAML or JSON from address to weight,
 * `{10.2.0.8: 2, 10.2.0.9: 0}`.
 */
import { type IpAddress, parseAddress } from '../net/address.ts';
import type { EndpointSlice } from '../sources/kube-objects.ts';
import { parseYaml } from '../yaml/located-yaml.ts';
import type { Problem } from './desired-state.ts';
import { type Report, reportAbout, shown } from './report.ts';

export const WEIGHTS_ANNOTATION = 'l4lb.io/weights';
const DEFAULT_WEIGHT = 1;
const MAX_WEIGHT = 100;

/** Weight by address, in whatever spelling; addresses that are not in the map weigh 1. */
export function endpointWeights(slice: EndpointSlice, report: Report): (address: IpAddress) => number {
  const text = slice.annotations[WEIGHTS_ANNOTATION];
  if (text === undefined || text.trim() === '') return () => DEFAULT_WEIGHT;
  const field = `metadata.annotations.${WEIGHTS_ANNOTATION}`;
  const [document, ...others] = parseYaml(text);
  const value = document?.value;
  if (others.length > 0 || typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = `${WEIGHTS_ANNOTATION} ${shown(text)} is no map from address to weight such as {10.2.0.8: 2}; all endpoints of this slice weigh 1`;
    report('error', 'invalid-weights', message, field);
    return () => DEFAULT_WEIGHT;
  }
  const weights = new Map<IpAddress, number>();
  const known = new Set(slice.endpoints.map(({ addresses }) => parseAddress(addresses[0] ?? '')));
  for (const [address, weight] of Object.entries(value)) {
    const number = parseAddress(address);
    if (!Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT) {
      const message = `${WEIGHTS_ANNOTATION}: the weight ${JSON.stringify(weight)} of ${address} must be a whole number, 0 to ${MAX_WEIGHT}; it weighs 1`;
      report('error', 'invalid-weight', message, field);
    } else if (number === undefined || !known.has(number)) {
      const message = `${WEIGHTS_ANNOTATION}: ${address} is no endpoint of this slice`;
      report('warning', 'unknown-weight-address', message, field);
    } else weights.set(number, weight);
  }
  return (address) => weights.get(address) ?? DEFAULT_WEIGHT;
}

/** Where it is kube-proxy that chooses among the endpoints. */
export function reportUnusedWeights(slices: readonly EndpointSlice[], problems: Problem[]): void {
  for (const slice of slices) {
    if ((slice.annotations[WEIGHTS_ANNOTATION] ?? '').trim() === '') continue;
    const message = `${WEIGHTS_ANNOTATION} says nothing with node ports and externalTrafficPolicy Cluster: a node takes what it gets on to any endpoint. With Local a node weighs what its endpoints do`;
    reportAbout(slice, problems)(
      'warning',
      'unused-weights',
      message,
      `metadata.annotations.${WEIGHTS_ANNOTATION}`,
    );
  }
}
