/** What a Service asks for beside addresses and ports, and whether we can do it. */
import { formatDuration, parseDuration } from '../config/duration.ts';
import type { Service } from '../sources/kube-objects.ts';
import { BACKENDS_ANNOTATION } from './backend-kind.ts';
import { type BackendKind, type DesiredService, SERVICE_MODES, type ServiceMode } from './desired-state.ts';
import { type Report, shown } from './report.ts';
import type { ServiceSettings } from './service-settings.ts';

export const MODE_ANNOTATION = 'l4lb.io/mode';
export const HASH_ANNOTATION = 'l4lb.io/hash';
export const UDP_WINDOW_ANNOTATION = 'l4lb.io/udp-window';

/** Kubernetes' own limits and default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const MAX_AFFINITY_SECONDS = 86_400;
const DEFAULT_AFFINITY_SECONDS = 10_800;

const HOUR = 3_600_000;
const LONGEST_WINDOW = 168 * HOUR;

/** How the Service's packets travel, for all its frontends. */
export type ServicePolicy = Pick<DesiredService, 'mode' | 'affinity' | 'hash3' | 'window'>;

/** The Service cannot be a service of ours by its nature: it claims no frontend. */
export function canHaveFrontends(service: Service, report: Report): boolean {
  if (service.type === 'ExternalName') {
    const message = 'a Service of type ExternalName is a DNS name and has no endpoints; it cannot have a VIP';
    report('error', 'external-name', message, 'spec.type');
    return false;
  }
  if (service.clusterIP === 'None') {
    const message =
      'a headless Service (clusterIP: None) is not load-balanced; remove clusterIP to give it a VIP';
    report('error', 'headless', message, 'spec.clusterIP');
    return false;
  }
  return true;
}

export function servicePolicy(
  service: Service,
  kind: BackendKind,
  settings: ServiceSettings,
  report: Report,
): ServicePolicy {
  const mode = kind === 'pods' ? modeOf(service, settings, report) : modeToNodePorts(service, report);
  if (service.externalTrafficPolicy === 'Local' && mode === 'snat') {
    const message =
      kind === 'pods'
        ? 'externalTrafficPolicy Local is not supported in mode snat; all endpoints are used and see a SNAT address as client. Another l4lb.io/mode keeps the client address'
        : 'externalTrafficPolicy Local leaves out nodes without an endpoint, but endpoints see a SNAT address as client: by node ports its own address cannot be kept';
    report('warning', 'external-traffic-policy', message, 'spec.externalTrafficPolicy');
  }
  if (kind === 'node-ports' && service.sessionAffinity === 'ClientIP') {
    const message =
      'sessionAffinity ClientIP holds a client to one node by its address; on the node it sees SNAT addresses in place of clients, so that clients share an endpoint, or change it';
    report('warning', 'affinity-by-node', message, 'spec.sessionAffinity');
  }
  const affinity = affinityOf(service, report);
  const window = windowOf(service, mode, affinity?.timeout ?? 0, settings, report);
  return {
    mode,
    ...(affinity === undefined ? {} : { affinity }),
    ...(hash3Of(service, report) ? { hash3: true } : {}),
    ...(window === undefined ? {} : { window }),
  };
}

function modeOf(service: Service, settings: ServiceSettings, report: Report): ServiceMode {
  const field = `metadata.annotations.${MODE_ANNOTATION}`;
  const text = service.annotations[MODE_ANNOTATION];
  if (text === undefined) return settings.mode;
  const mode = SERVICE_MODES.find((each) => each === text.trim());
  if (mode === undefined) {
    const message = `${MODE_ANNOTATION}: ${shown(text)} must be one of ${SERVICE_MODES.join(', ')}; ${settings.mode} is used`;
    report('error', 'invalid-mode', message, field);
    return settings.mode;
  }
  if (mode === 'snat' || settings.dsr !== undefined) return mode;
  const message = `${MODE_ANNOTATION}: ${shown(mode)} needs the section dsr in lb-agent's configuration; ${settings.mode} is used`;
  report('error', 'dsr-not-configured', message, field);
  return settings.mode;
}

/** A node answers by the way that the packet came, so nothing but SNAT brings its answer to the client. */
function modeToNodePorts(service: Service, report: Report): ServiceMode {
  const field = `metadata.annotations.${MODE_ANNOTATION}`;
  const text = service.annotations[MODE_ANNOTATION];
  const mode = SERVICE_MODES.find((each) => each === text?.trim());
  if (text === undefined || mode === 'snat') return 'snat';
  if (mode === undefined) {
    const message = `${MODE_ANNOTATION}: ${shown(text)} must be snat, since the backends are node ports; snat is used`;
    report('error', 'invalid-mode', message, field);
    return 'snat';
  }
  const message = `${MODE_ANNOTATION}: ${shown(mode)} is not possible to node ports; snat is used. Remove it, or, if pods can be reached from here, set ${BACKENDS_ANNOTATION}: pods`;
  report('error', 'mode-needs-pods', message, field);
  return 'snat';
}

function affinityOf(service: Service, report: Report): DesiredService['affinity'] {
  if (service.sessionAffinity !== 'ClientIP') return undefined;
  const seconds = service.affinitySeconds ?? DEFAULT_AFFINITY_SECONDS;
  if (seconds >= 1 && seconds <= MAX_AFFINITY_SECONDS) return { timeout: seconds * 1000 };
  const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
  const message = `timeoutSeconds ${seconds} must be 1 to ${MAX_AFFINITY_SECONDS}; ${DEFAULT_AFFINITY_SECONDS} is used`;
  report('error', 'invalid-affinity-timeout', message, field);
  return { timeout: DEFAULT_AFFINITY_SECONDS * 1000 };
}

function hash3Of(service: Service, report: Report): boolean {
  const text = service.annotations[HASH_ANNOTATION]?.trim();
  if (text === undefined || text === '5-tuple') return false;
  if (text === '3-tuple') return true;
  const message = `${HASH_ANNOTATION}: ${shown(text)} must be 5-tuple or 3-tuple (addresses and protocol); 5-tuple is used`;
  report('error', 'invalid-hash', message, `metadata.annotations.${HASH_ANNOTATION}`);
  return false;
}

/** A client with affinity is held at least as long as it was promised. */
function windowOf(
  service: Service,
  mode: ServiceMode,
  affinityTimeout: number,
  { dsr }: ServiceSettings,
  report: Report,
): DesiredService['window'] {
  const text = service.annotations[UDP_WINDOW_ANNOTATION]?.trim();
  const field = `metadata.annotations.${UDP_WINDOW_ANNOTATION}`;
  if (mode === 'snat' || dsr === undefined) {
    if (text === undefined) return undefined;
    const message = `${UDP_WINDOW_ANNOTATION} says nothing in mode snat, where every flow is known; remove it, or set ${MODE_ANNOTATION}`;
    report('warning', 'unused-udp-window', message, field);
    return undefined;
  }
  const own = text === undefined ? undefined : parseDuration(text);
  const isFine = own !== undefined && own <= LONGEST_WINDOW;
  if (text !== undefined && !isFine) {
    const message = `${UDP_WINDOW_ANNOTATION}: ${shown(text)} must be a duration, 0s to ${formatDuration(LONGEST_WINDOW)}, such as 30s; ${formatDuration(dsr.window.udp)} is used`;
    report('error', 'invalid-udp-window', message, field);
  }
  return {
    tcp: Math.max(dsr.window.tcp, affinityTimeout),
    udp: isFine ? own : Math.max(dsr.window.udp, affinityTimeout),
  };
}
