/** What a Service of `type: LoadBalancer` asks of the allocation. Pure. */
import { type Family, familyOf, formatAddress, type IpAddress, parseAddress } from '../net/address.ts';
import { POOL_ANNOTATION, REQUESTED_ANNOTATION, SHARING_ANNOTATION } from '../services/known-annotations.ts';
import { shown } from '../services/report.ts';
import { LOAD_BALANCER_CLASS } from '../services/service-addresses.ts';
import { servedPorts } from '../services/service-ports.ts';
import type { Service } from '../sources/kube-objects.ts';

/** Of a Service: whether it has the addresses that it asks for, or why not. */
export const ALLOCATED_CONDITION = 'l4lb.io/AddressAllocated';

export interface Wish {
  readonly service: Service;
  /** namespace/name */
  readonly key: string;
  /** In the order of preference; at least one. */
  readonly families: readonly Family[];
  /** All families or nothing. */
  readonly strict: boolean;
  readonly requested: ReadonlyMap<Family, IpAddress>;
  /** The only pool to take from; undefined: any that is automatic. */
  readonly pool?: string;
  /** Services of one key may have one address, if their ports differ. */
  readonly sharingKey?: string;
  /** `80/TCP` */
  readonly ports: ReadonlySet<string>;
  /** What of it cannot be understood, so that nothing new is given. */
  readonly complaint?: string;
}

export function keyOf({ namespace, name }: Pick<Service, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** We have written its status. */
export function isRecorded(service: Service): boolean {
  return service.conditions?.some(({ type }) => type === ALLOCATED_CONDITION) === true;
}

/** Whether addresses of the Service are ours to give. `isVip`: an address that can be a frontend here. */
export function isOurs(
  service: Service,
  withoutClass: boolean,
  isVip: (address: IpAddress) => boolean,
): boolean {
  if (service.type !== 'LoadBalancer') return false;
  if (service.loadBalancerClass !== undefined) return service.loadBalancerClass === LOAD_BALANCER_CLASS;
  if (isRecorded(service)) return true;
  // Without a class, another implementation may have been faster.
  const isForeign = ({ ip }: { ip?: string }): boolean => {
    const address = ip === undefined ? undefined : parseAddress(ip);
    return address === undefined || !isVip(address);
  };
  return withoutClass && !service.ingress.some(isForeign);
}

export function portsOf(service: Service): Set<string> {
  return new Set(servedPorts(service, () => {}).map(({ port, protocol }) => `${port}/${protocol}`));
}

export function sharingKeyOf(service: Service): string | undefined {
  return service.annotations[SHARING_ANNOTATION] || undefined;
}

/** `familiesOfPools`: for a Service that says none, as of an API server that is older than dual stack. */
export function wishOf(service: Service, familiesOfPools: readonly Family[]): Wish {
  const said = (service.ipFamilies ?? []).map((name): Family => (name === 'IPv6' ? 6 : 4));
  const all: readonly Family[] = said.length > 0 ? said : familiesOfPools.length > 0 ? familiesOfPools : [4];
  const policy = service.ipFamilyPolicy ?? 'SingleStack';
  const families = policy === 'SingleStack' ? all.slice(0, 1) : all;
  const { requested, complaint } = requestOf(service, families);
  const pool = service.annotations[POOL_ANNOTATION];
  const sharingKey = sharingKeyOf(service);
  return {
    service,
    key: keyOf(service),
    families,
    strict: policy === 'RequireDualStack',
    requested,
    ...(pool ? { pool } : {}),
    ...(sharingKey === undefined ? {} : { sharingKey }),
    ports: portsOf(service),
    ...(complaint === undefined ? {} : { complaint }),
  };
}

/** The annotation, which can say one of each family, before the field that Kubernetes has deprecated. */
function requestOf(service: Service, families: readonly Family[]): Pick<Wish, 'requested' | 'complaint'> {
  const requested = new Map<Family, IpAddress>();
  const annotation = service.annotations[REQUESTED_ANNOTATION];
  const texts = (annotation ?? service.loadBalancerIP ?? '').split(',').map((text) => text.trim());
  const field = annotation === undefined ? 'spec.loadBalancerIP' : REQUESTED_ANNOTATION;
  for (const text of texts.filter((each) => each !== '')) {
    const address = parseAddress(text);
    if (address === undefined) {
      return {
        requested,
        complaint: `${field}: ${shown(text)} is not an address such as 10.1.0.2 or 2001:db8::2`,
      };
    }
    const family = familyOf(address);
    if (!families.includes(family)) {
      const wanted = families.map((each) => `IPv${each}`).join(' and ');
      const complaint = `${field}: ${text} is IPv${family}, but by spec.ipFamilies and ipFamilyPolicy the Service has ${wanted} only`;
      return { requested, complaint };
    }
    const other = requested.get(family);
    if (other !== undefined && other !== address) {
      const complaint = `${field}: ${formatAddress(other)} and ${text} are both IPv${family}; ask for one of each family`;
      return { requested, complaint };
    }
    requested.set(family, address);
  }
  return { requested };
}
