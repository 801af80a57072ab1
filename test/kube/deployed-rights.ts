/** The rights that deploy/ gives to a service account, one by one, and accounts that have all but one of them. */
import { parseAllDocuments } from 'yaml';
import type { ApiClient, KubeObject } from './api-client.ts';
import type { ControlPlane } from './control-plane.ts';
import { writeKubeconfig } from './follower.ts';

/** Where deploy/ puts everything. */
export const DEPLOYED = 'kube-system';
export const ALL_DIRECTORIES = ['deploy/base', 'deploy/controller', 'deploy/node-ports'];
const RBAC = 'rbac.authorization.k8s.io';

/** One verb on one resource. */
export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  /** Of objects with this name only. */
  readonly name?: string;
  /** In this namespace only; undefined: in all. */
  readonly namespace?: string;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Binding extends KubeObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: ReadonlyArray<{ readonly name: string }>;
}

export const sayRight = ({ verb, resource, group }: Right): string =>
  `${verb} ${group === '' ? '' : `${group} `}${resource}`;

/** What the directories of deploy/ hold, as kubectl puts them together. */
export function deployedObjects(plane: ControlPlane, directories: readonly string[]): KubeObject[] {
  return directories.flatMap((directory) =>
    parseAllDocuments(plane.kubectl(['kustomize', directory])).map(
      (document) => document.toJS() as KubeObject,
    ),
  );
}

export function applyDeployed(plane: ControlPlane): void {
  for (const directory of ALL_DIRECTORIES) plane.kubectl(['apply', '--kustomize', directory]);
}

export function rightsOf(objects: readonly KubeObject[], account: string): Right[] {
  const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding')) as Binding[];
  return bindings
    .filter(({ subjects }) => subjects.some(({ name }) => name === account))
    .flatMap(({ roleRef, metadata: { namespace } }) => {
      const role = objects.find(({ kind, metadata }) => {
        return kind === roleRef.kind && metadata.name === roleRef.name && metadata.namespace === namespace;
      });
      if (role === undefined) throw new Error(`there is no ${roleRef.kind} ${roleRef.name}`);
      return (role as unknown as { rules: Rule[] }).rules.flatMap((rule) => rightsOfRule(rule, namespace));
    });
}

function rightsOfRule(rule: Rule, namespace: string | undefined): Right[] {
  const place = namespace === undefined ? {} : { namespace };
  const names = rule.resourceNames?.map((name) => ({ name })) ?? [{}];
  return rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.flatMap((verb) => names.map((name) => ({ group, resource, verb, ...name, ...place }))),
    ),
  );
}

/** Makes a service account that may do this and nothing else. */
export async function makeAccount(api: ApiClient, name: string, rights: readonly Right[]): Promise<void> {
  await api.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: DEPLOYED } });
  const places = new Set(rights.map(({ namespace }) => namespace));
  for (const namespace of places) {
    const metadata = namespace === undefined ? { name } : { name, namespace };
    const kind = namespace === undefined ? 'ClusterRole' : 'Role';
    const rules = rights
      .filter((right) => right.namespace === namespace)
      .map((right) => ({
        apiGroups: [right.group],
        resources: [right.resource],
        verbs: [right.verb],
        ...(right.name === undefined ? {} : { resourceNames: [right.name] }),
      }));
    await api.apply({ apiVersion: `${RBAC}/v1`, kind, metadata, rules });
    await api.apply({
      apiVersion: `${RBAC}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: RBAC, kind, name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: DEPLOYED }],
    });
  }
}

/** Whether the server's authorizer, which hears of roles a little later, says so by now. */
export async function mayDo(api: ApiClient, account: string, right: Right): Promise<boolean> {
  const [resource, subresource] = right.resource.split('/');
  const { group, verb, name, namespace } = right;
  const spec = {
    user: `system:serviceaccount:${DEPLOYED}:${account}`,
    resourceAttributes: { group, verb, resource, subresource, name, namespace },
  };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
  return ((await api.do('POST', path, body)) as { status: { allowed: boolean } }).status.allowed;
}

export function accountToken(plane: ControlPlane, account: string): string {
  // Debian's kubectl has no `create token`.
  const path = `/api/v1/namespaces/${DEPLOYED}/serviceaccounts/${account}/token`;
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const answer = plane.kubectl(['create', '--raw', path, '--filename', '-'], JSON.stringify(request));
  return (JSON.parse(answer) as { status: { token: string } }).status.token;
}

/** A kubeconfig with the account's token. */
export function accountKubeconfig(plane: ControlPlane, account: string): string {
  const user = { token: accountToken(plane, account) };
  return writeKubeconfig(plane, plane.file(`${account}.kubeconfig`), { user });
}
