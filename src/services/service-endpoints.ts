/** The endpoints of a Service's ports, from its EndpointSlices. */
import { type Family, familyOf, formatAddress, isUnicast, parseAddress } from '../net/address.ts';
import { formatPrefix, type Prefix, prefixContains } from '../net/prefix.ts';
import type { EndpointSlice, Service } from '../sources/kube-objects.ts';
import type { Problem } from './desired-state.ts';
import { endpointWeights } from './endpoint-weights.ts';
import { type Report, reportAbout } from './report.ts';
import type { Candidate } from './select-backends.ts';
import type { ServedPort } from './service-ports.ts';

/** Endpoints of one port. */
export type EndpointsByFamily = Readonly<Record<Family, readonly Candidate[]>>;

/**
 * Lists for each port, in the order of `ports`. `slices` are those of this Service. Problems are about the
 * slices, or the Service where none of them is to blame.
 */
export function serviceEndpoints(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly ServedPort[],
  ranges: readonly Prefix[],
  problems: Problem[],
): EndpointsByFamily[] {
  const report = reportAbout(service, problems);
  const usable = usableSlices(slices, problems);
  const candidates = ports.map((): Record<Family, Candidate[]> => ({ 4: [], 6: [] }));
  const named = ports.map(() => false);
  for (const slice of usable) {
    const reportSlice = reportAbout(slice, problems);
    const family = slice.addressType === 'IPv6' ? 6 : 4;
    const endpoints = readEndpoints(service, slice, ranges, reportSlice);
    for (const [index, port] of ports.entries()) {
      const number = portNumber(slice, port, reportSlice);
      if (number === undefined) continue;
      named[index] = true;
      for (const endpoint of endpoints) candidates[index]?.[family].push({ ...endpoint, port: number });
    }
  }
  for (const [index, { name, port, protocol, field }] of ports.entries()) {
    if (named[index] || !usable.some(({ endpoints }) => endpoints.length > 0)) continue;
    const message = `no EndpointSlice of the service has a port named "${name}" with protocol ${protocol}, so ${port}/${protocol} has no backend`;
    report('warning', 'port-not-in-slices', message, field);
  }
  return candidates;
}

/** By name, so that which of two equal endpoints counts does not depend on their order here. */
function usableSlices(slices: readonly EndpointSlice[], problems: Problem[]): EndpointSlice[] {
  const usable = slices.filter(({ addressType }) => addressType === 'IPv4' || addressType === 'IPv6');
  for (const slice of slices) {
    if (usable.includes(slice)) continue;
    const message = `addressType ${slice.addressType} is not served; IPv4 and IPv6 are`;
    reportAbout(slice, problems)('warning', 'unsupported-address-type', message, 'addressType');
  }
  return usable.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function readEndpoints(
  service: Service,
  slice: EndpointSlice,
  ranges: readonly Prefix[],
  report: Report,
): Array<Omit<Candidate, 'port'>> {
  const weightOf = endpointWeights(slice, report);
  return slice.endpoints.flatMap((endpoint, index) => {
    const field = `endpoints.${index}`;
    // What further addresses mean is not defined by Kubernetes, and kube-proxy does not look at them.
    const [written = ''] = endpoint.addresses;
    const number = parseAddress(written);
    if (number === undefined || `IPv${familyOf(number)}` !== slice.addressType || !isUnicast(number)) {
      const message = `"${written}" is not an ${slice.addressType} address that a pod can have`;
      report('error', 'invalid-endpoint', message, field);
      return [];
    }
    const address = formatAddress(number);
    const range = ranges.find((each) => prefixContains(each, number));
    if (range !== undefined) {
      const message = `${address} lies in the VIP range ${formatPrefix(range)}: packets to it would come back here`;
      report('error', 'endpoint-in-vip-range', message, field);
      return [];
    }
    const { ready, serving, terminating, target, node } = endpoint;
    const published = service.publishNotReadyAddresses;
    return [
      {
        address,
        number,
        ready: ready || published,
        serving: serving || published,
        terminating: terminating && !published,
        weight: weightOf(number),
        ...(target === undefined ? {} : { target }),
        ...(node === undefined ? {} : { node }),
      },
    ];
  });
}

/** A slice's port belongs to the Service's port of the same name: named target ports are resolved there. */
function portNumber(slice: EndpointSlice, port: ServedPort, report: Report): number | undefined {
  const index = slice.ports.findIndex(
    ({ name, protocol }) => name === port.name && protocol === port.protocol,
  );
  const number = slice.ports[index]?.port;
  if (number === undefined || (number >= 1 && number <= 65_535)) return number;
  report('error', 'invalid-port', `${number}: a port must be 1 to 65535`, `ports.${index}`);
  return undefined;
}
