/** The source that the configuration names. */
import type { Config } from '../config/config.ts';
import { connectToApi } from '../kubernetes/api-connection.ts';
import { clusterIdentity } from '../kubernetes/cluster-identity.ts';
import { KubernetesSource } from './kubernetes-source.ts';
import { ManifestDirectory } from './manifest-directory.ts';
import type { Source } from './source.ts';

const SECOND = 1_000;
/** Servers send a bookmark a minute. */
const SILENCE_MS = 75 * SECOND;
const ANSWER_MS = 30 * SECOND;

/** Nothing is read or connected before its start(). */
export function openSource(source: Config['source']): Source {
  const { kind, manifests, kubeconfig, namespaces, nodes, secondLook } = source;
  if (kind === 'manifests') return new ManifestDirectory({ directory: manifests, secondLook });
  const identity = clusterIdentity(kubeconfig);
  return new KubernetesSource({
    location: identity.location,
    connection: connectToApi({ identity, silence: SILENCE_MS, answer: ANSWER_MS }),
    namespaces,
    nodes,
    times: {
      page: 500,
      watchMin: 240 * SECOND,
      watchMax: 480 * SECOND,
      retry: { first: SECOND / 2, last: 30 * SECOND },
      retryUnreachable: 3 * SECOND,
      secondLook,
    },
  });
}
