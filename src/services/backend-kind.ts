/** What the backends of a Service are: its pods, or ports of nodes. */
import type { Service } from '../sources/kube-objects.ts';
import { BACKEND_KINDS, type BackendKind } from './desired-state.ts';
import { type Report, shown } from './report.ts';
import type { ServiceSettings } from './service-settings.ts';

export const BACKENDS_ANNOTATION = 'l4lb.io/backends';

export function backendKindOf(
  service: Service,
  { backends }: Pick<ServiceSettings, 'backends'>,
  report: Report,
): BackendKind {
  const text = service.annotations[BACKENDS_ANNOTATION];
  if (backends === undefined) return 'pods';
  if (text === undefined) return backends.kind;
  const field = `metadata.annotations.${BACKENDS_ANNOTATION}`;
  const kind = BACKEND_KINDS.find((each) => each === text.trim());
  if (kind === undefined) {
    const message = `${BACKENDS_ANNOTATION}: ${shown(text)} must be one of ${BACKEND_KINDS.join(', ')}; ${backends.kind} is used`;
    report('error', 'invalid-backends', message, field);
    return backends.kind;
  }
  if (kind === 'pods' || backends.nodes) return kind;
  const message = `${BACKENDS_ANNOTATION}: "${kind}" needs source.nodes: true in lb-agent's configuration; ${backends.kind} is used`;
  report('error', 'nodes-not-followed', message, field);
  return backends.kind;
}

export function usesNodePorts(service: Service, settings: Pick<ServiceSettings, 'backends'>): boolean {
  return backendKindOf(service, settings, () => {}) === 'node-ports';
}
