/** The name of this node where the configuration does not say: a pod knows it better than its host name does. */
import { hostname } from 'node:os';

export function defaultNodeName(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.L4LB_NODE || hostname();
}
