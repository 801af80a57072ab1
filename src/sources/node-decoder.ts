/** Kubernetes' own shape of Node, read into ours: of some 20 KB of status what packets to it need. */
import { z } from 'zod';
import { type Decoded, issuesOf, list, metadata, text } from './decoding.ts';
import type { KubeNode } from './kube-objects.ts';

const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
const ROLE_LABEL = 'l4lb.io/role';
/** Kubernetes' own load balancers leave such nodes out too. */
const AUTOSCALER_TAINT = 'ToBeDeletedByClusterAutoscaler';

const nodeSchema = z.object({
  metadata,
  spec: z.object({ taints: list(z.object({ key: text })) }).nullish(),
  status: z
    .object({
      addresses: list(z.object({ type: text, address: text })),
      conditions: list(z.object({ type: text, status: text })),
    })
    .nullish(),
});

/** Reads `v1` `Node`. */
export function decodeNode(value: unknown): Decoded<KubeNode> {
  const result = nodeSchema.safeParse(value);
  if (!result.success) return { ok: false, issues: issuesOf(result.error) };
  const { metadata, spec, status } = result.data;
  const { labels } = metadata;
  const taints = spec?.taints ?? [];
  return {
    ok: true,
    value: {
      kind: 'Node',
      namespace: '',
      name: metadata.name,
      annotations: {},
      internalIPs: (status?.addresses ?? []).flatMap(({ type, address }) =>
        type === 'InternalIP' && address ? [address] : [],
      ),
      ready: (status?.conditions ?? []).some((each) => each.type === 'Ready' && each.status === 'True'),
      excluded: labels?.[EXCLUDE_LABEL] !== undefined,
      leaving: Boolean(metadata.deletionTimestamp) || taints.some(({ key }) => key === AUTOSCALER_TAINT),
      isLb: labels?.[ROLE_LABEL] === 'lb',
    },
  };
}
