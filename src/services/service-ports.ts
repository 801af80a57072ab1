/** Which ports of a Service can be served. */
import type { Service } from '../sources/kube-objects.ts';
import type { Protocol } from './desired-state.ts';
import type { Report } from './report.ts';

export interface ServedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** On every node, where one is allocated. */
  readonly nodePort: number | undefined;
  readonly field: string;
}

/** The ports we do; the others are reported. Of ports that are equal, the first. */
export function servedPorts(service: Service, report: Report): ServedPort[] {
  const served: ServedPort[] = [];
  const seen = new Set<string>();
  const names = new Set<string>();
  for (const [index, { name, port, protocol, nodePort }] of service.ports.entries()) {
    const field = `spec.ports.${index}`;
    const complain = (code: string, message: string): void => report('error', code, message, field);
    const known = `${port}/${protocol}`;
    if (protocol !== 'TCP' && protocol !== 'UDP') {
      complain('unsupported-protocol', `${known}: protocol ${protocol} is not served; TCP and UDP are`);
    } else if (port < 1 || port > 65_535) {
      complain('invalid-port', `${known}: a port must be 1 to 65535`);
    } else if (seen.has(known)) {
      complain('duplicate-port', `${known} is there twice; the first is used`);
    } else if (names.has(name)) {
      // Endpoints are found by the port's name, so it must say which.
      const which = name === '' ? 'has no name, like another' : `has the name "${name}" of another`;
      complain('duplicate-port-name', `${known} ${which}; give each port its own name`);
    } else served.push({ name, port, protocol, nodePort, field });
    seen.add(known);
    names.add(name);
  }
  return served;
}
