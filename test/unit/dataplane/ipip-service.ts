/** A service of which only port and backends matter. */
import type { DesiredService } from '../../../src/services/desired-state.ts';

/** How an applier is asked for exactly these services. */
export const SCOPE = { ownAddresses: [], deletions: true };

/** Named after its port, with the backends 10.0.0.HOST. */
export function ipipService(port: number, hosts: readonly number[]): DesiredService {
  return {
    frontend: { vip: '10.1.0.2', port, protocol: 'TCP' },
    namespace: 'default',
    name: `web-${port}`,
    type: 'LoadBalancer',
    mode: 'ipip',
    tableSize: 251,
    backends: hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80, weight: 1, state: 'active' })),
  };
}
