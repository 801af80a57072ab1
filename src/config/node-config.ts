/** The configuration of lb-agent on a worker (`role: node`) after it was read. */
import type { Prefix } from '../net/prefix.ts';
import type { Config, Timeouts } from './config.ts';

export interface NodeConfig
  extends Pick<
    Config,
    'node' | 'runtimeDirectory' | 'bpfDirectory' | 'api' | 'metrics' | 'source' | 'devices' | 'log'
  > {
  readonly role: 'node';
  readonly vips: { readonly ranges: readonly Prefix[] };
  readonly tunnel: {
    /** Where the LB nodes' outer headers come from. */
    readonly sources: readonly Prefix[];
    readonly guePort: number;
  };
  /** Which endpoints are pods of this node: those whose nodeName is `node`, or all that there are. */
  readonly endpoints: 'local' | 'all';
  readonly timeouts: Timeouts;
  readonly limits: {
    /** Flows that are remembered. */
    readonly flows: number;
    /** One for each frontend and pod, and one for each VIP and pod. */
    readonly targets: number;
  };
}
