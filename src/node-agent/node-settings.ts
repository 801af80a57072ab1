/** How a worker reads Services: as an LB node does that can do everything, because the LB nodes decide. */
import type { NodeConfig } from '../config/node-config.ts';
import { TABLE_SIZES } from '../services/desired-state.ts';
import type { ServiceSettings } from '../services/service-settings.ts';

export function nodeServiceSettings({ vips }: Pick<NodeConfig, 'vips'>): ServiceSettings {
  return {
    ranges: vips.ranges,
    // No table is built here, so none is too small.
    defaultTableSize: Math.max(...TABLE_SIZES),
    // No tunnel comes here for a Service of node ports.
    backends: undefined,
    mode: 'ipip',
    snatFamilies: [4, 6],
    dsr: { sourceFamilies: [4, 6], window: { tcp: 0, udp: 0 } },
  };
}
