/** Which VIPs a Service asks for. */
import { formatAddress, type IpAddress, parseAddress } from '../net/address.ts';
import { deviceAddressOf, formatPrefix, type Prefix, prefixContains } from '../net/prefix.ts';
import type { Service } from '../sources/kube-objects.ts';
import type { DesiredService } from './desired-state.ts';
import type { Report } from './report.ts';

export interface ServiceAddress {
  /** In its canonical spelling. */
  readonly vip: string;
  readonly address: IpAddress;
  readonly type: DesiredService['type'];
  /** Where the Service asks for it. */
  readonly field: string;
}

/** Services of this class, or of none, are ours. */
export const LOAD_BALANCER_CLASS = 'l4lb.io/lb';

/** Addresses inside the VIP ranges, each once; what cannot be a VIP is reported. */
export function serviceAddresses(
  service: Service,
  ranges: readonly Prefix[],
  report: Report,
): ServiceAddress[] {
  const found = new Map<IpAddress, ServiceAddress>();
  const consider = (text: string, type: ServiceAddress['type'], field: string): void => {
    const address = usableAddress(text, type, field, ranges, report);
    if (address === undefined || found.has(address)) return;
    found.set(address, { vip: formatAddress(address), address, type, field });
  };
  for (const [index, text] of service.externalIPs.entries()) {
    consider(text, 'ExternalIPs', `spec.externalIPs.${index}`);
  }
  if (service.type !== 'LoadBalancer') return [...found.values()];
  const ours = (service.loadBalancerClass ?? LOAD_BALANCER_CLASS) === LOAD_BALANCER_CLASS;
  for (const [index, { ip, ipMode }] of service.ingress.entries()) {
    // With Proxy the traffic must go to the proxy that has the address, not here.
    if (ip === undefined || ipMode === 'Proxy') continue;
    if (ours) consider(ip, 'LoadBalancer', `status.loadBalancer.ingress.${index}`);
    else if (rangeOf(parseAddress(ip), ranges) !== undefined) {
      const message = `${ip} belongs to load balancer class ${service.loadBalancerClass}, so it is left to that; ours is ${LOAD_BALANCER_CLASS}, or none`;
      report('warning', 'load-balancer-class', message, 'spec.loadBalancerClass');
    }
  }
  return [...found.values()];
}

function usableAddress(
  text: string,
  type: ServiceAddress['type'],
  field: string,
  ranges: readonly Prefix[],
  report: Report,
): IpAddress | undefined {
  const address = parseAddress(text);
  if (address === undefined) {
    const message = `"${text}" is not an address such as 10.1.0.2 or 2001:db8:1::2`;
    report('error', 'invalid-address', message, field);
    return undefined;
  }
  const range = rangeOf(address, ranges);
  if (range === undefined) {
    // An ingress address elsewhere is another load balancer's business.
    if (type === 'LoadBalancer') return undefined;
    const allowed = ranges.map(formatPrefix).join(', ');
    report('warning', 'address-outside-ranges', `${text} is outside the VIP ranges (${allowed})`, field);
    return undefined;
  }
  if (deviceAddressOf(range) === address) {
    const message = `${text} is held by the VIP device and cannot be a frontend; take another address of ${formatPrefix(range)}`;
    report('error', 'vip-device-address', message, field);
    return undefined;
  }
  return address;
}

function rangeOf(address: IpAddress | undefined, ranges: readonly Prefix[]): Prefix | undefined {
  return address === undefined ? undefined : ranges.find((range) => prefixContains(range, address));
}
