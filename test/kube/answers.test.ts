import { createSign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ApiClient, service, slice } from './api-client.ts';
import { ControlPlane, freePort, scratchDirectory } from './control-plane.ts';
import { FaultyGateway, type Spoil } from './faulty-gateway.ts';
import { Follower, writeKubeconfig } from './follower.ts';

/** Answers that are wrong, late or cut short, and identities that are not taken. */

let plane: ControlPlane;
let api: ApiClient;
let gateway: FaultyGateway;
let throughGateway: string;
const followers: Follower[] = [];

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('answers'));
  api = new ApiClient(plane);
  await api.apply(service('web', '10.1.0.2'));
  await api.apply(slice('web-1', 'web', ['10.9.0.1']));
  const port = await freePort();
  gateway = await FaultyGateway.listen(port, plane);
  throughGateway = writeKubeconfig(plane, plane.file('gateway.kubeconfig'), {
    server: `https://127.0.0.1:${port}`,
  });
});
afterAll(async () => {
  await gateway?.close();
  await plane?.destroy();
});
afterEach(async () => {
  gateway.spoil = () => undefined;
  for (const follower of followers.splice(0)) await follower.stop();
});

async function follow(kubeconfig: string): Promise<Follower> {
  const follower = await Follower.start(kubeconfig);
  followers.push(follower);
  return follower;
}

const isWatch = (path: string): boolean => path.includes('watch=true');

let round = 0;

/** Lists or watches are spoilt for a time: it is told in these words, nothing is lost, and then it goes on. */
async function expectSurvived(
  of: 'lists' | 'watches',
  spoil: Exclude<Spoil, undefined>,
  message: RegExp,
): Promise<void> {
  const follower = await follow(throughGateway);
  await follower.synced();
  const before = follower.endpoints('web');
  const since = follower.snapshots.length;
  // So that a list is asked for, the version must be forgotten.
  const forgotten = { status: 410, body: '{"message":"too old resource version"}' };
  gateway.spoil = (path) =>
    of === 'watches' ? (isWatch(path) ? spoil : undefined) : isWatch(path) ? forgotten : spoil;
  gateway.disconnect();
  await follower.until('it is told', () => follower.problems.some((text) => message.test(text)));
  expect(follower.endpoints('web')).toEqual(before);
  const next = `10.9.0.${++round + 1}`;
  await api.apply(slice('web-1', 'web', [next]));
  gateway.spoil = () => undefined;
  await follower.until('the new state', () => follower.endpoints('web').join() === next);
  await follower.until('no problem is left', () => follower.problems.length === 0);
  for (const { services, slices } of follower.snapshots.slice(since)) {
    expect([services.length, slices.length]).toEqual([2, 1]);
  }
}

const ERROR = { status: 500, body: '{"kind":"Status","message":"etcdserver: request timed out","code":500}' };

test('lists that are answered by 500', () =>
  expectSurvived('lists', ERROR, /, answers 500: etcdserver: request timed out; since /));
test('watches that are answered by 500', () =>
  expectSurvived('watches', ERROR, /, answers 500: etcdserver: request timed out; since /));
test('a page of a proxy instead of a list', () =>
  expectSurvived('lists', { status: 200, body: '<html>welcome</html>' }, /gave a broken answer: no JSON/));
test('lists that are cut short in the midst of the JSON', () =>
  expectSurvived('lists', 'cut', /gave a broken answer: no JSON, or cut short/));
test('lists that stop in the middle without an end', () =>
  expectSurvived('lists', 'stall', /was silent for 3 s/));
test('answers that never begin', () => expectSurvived('lists', 'slow', /was silent for 3 s/));
test('watches that never begin', () => expectSurvived('watches', 'slow', /was silent for 3 s/));
test('an error in the midst of a watch', () =>
  expectSurvived(
    'watches',
    { status: 200, body: '{"type":"ERROR","object":{"code":500,"message":"watch cache is full"}}\n' },
    /answers 500: watch cache is full/,
  ));
test('an event that is cut short', () =>
  expectSurvived(
    'watches',
    { status: 200, body: '{"type":"ADDED","object":{"metad' },
    /it ended in the middle of an event/,
  ));
test('an empty list that is not true', async () => {
  const follower = await follow(throughGateway);
  await follower.synced();
  const empty = '{"kind":"List","metadata":{"resourceVersion":"1"},"items":null}';
  let lies = 2;
  gateway.spoil = (path) => {
    if (isWatch(path)) return lies > 0 ? { status: 410, body: '{"message":"too old"}' } : undefined;
    return lies-- > 0 ? { status: 200, body: empty } : undefined;
  };
  const since = follower.snapshots.length;
  gateway.disconnect();
  await follower.until('it is told', () =>
    follower.problems.some((text) => /has no \w+s any more; this is believed after a second look/.test(text)),
  );
  await follower.until('it is over', () => follower.problems.length === 0);
  for (const { services, slices } of follower.snapshots.slice(since)) {
    expect([services.length, slices.length]).toEqual([2, 1]);
  }
});

test('a server whose certificate another authority has signed', async () => {
  const other = await ControlPlane.start(scratchDirectory('other'));
  try {
    const ca = readFileSync(other.file('ca.crt')).toString('base64');
    const kubeconfig = writeKubeconfig(plane, plane.file('wrong-ca.kubeconfig'), {
      cluster: { 'certificate-authority-data': ca },
    });
    const follower = await follow(kubeconfig);
    await follower.until('it is told', () => follower.problems.length === 2);
    expect(follower.problems[0]).toMatch(
      /shows a certificate that is not trusted \(.+\); give the cluster's own certificate-authority, and the server by a name it has; since /,
    );
    writeKubeconfig(plane, kubeconfig, {});
    await follower.until('the mended file is read', () => follower.endpoints('web').length === 1);
  } finally {
    await other.destroy();
  }
});

/** A token of a service account as the server would sign it, that ends at a time in seconds. */
function accountToken(uid: string, expires: number): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const issuer = 'https://kubernetes.default.svc';
  const claims = {
    aud: [issuer],
    exp: expires,
    iat: expires - 7_200,
    iss: issuer,
    'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'lb', uid } },
    nbf: expires - 7_200,
    sub: 'system:serviceaccount:default:lb',
  };
  const signed = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(claims)}`;
  const key = { key: readFileSync(plane.file('service-account.key')), dsaEncoding: 'ieee-p1363' as const };
  return `${signed}.${createSign('SHA256').update(signed).sign(key).toString('base64url')}`;
}

test('a token that has expired, a new one without rights, and the rights', async () => {
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'lb', namespace: 'default' },
  };
  await api.apply(account);
  const made = (await api.do('GET', '/api/v1/namespaces/default/serviceaccounts/lb')) as {
    metadata: { uid: string };
  };
  const tokenFile = plane.file('token');
  const now = Math.floor(Date.now() / 1_000);
  writeFileSync(tokenFile, accountToken(made.metadata.uid, now - 60));
  const kubeconfig = writeKubeconfig(plane, plane.file('token.kubeconfig'), { user: { tokenFile: 'token' } });
  const follower = await follow(kubeconfig);
  const told = (pattern: RegExp): Promise<unknown> =>
    follower.until(`problems like ${pattern}`, () => {
      return follower.problems.length === 2 && follower.problems.every((text) => pattern.test(text));
    });
  await told(/answers 401: Unauthorized; the token or client certificate is wrong or has expired: renew it/);
  writeFileSync(tokenFile, `${accountToken(made.metadata.uid, now + 3_600)}\n`);
  await told(
    /answers 403: \w+(\.[a-z.0-9]+)? is forbidden: .*; give the agent's identity the rights list and watch/,
  );
  await api.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'lb' },
    rules: [
      { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  });
  await api.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'lb' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'lb' },
    subjects: [{ kind: 'ServiceAccount', name: 'lb', namespace: 'default' }],
  });
  await follower.until(
    'all of it',
    () => follower.source.snapshot().synced && follower.endpoints('web').length === 1,
  );
  await follower.until('no problems', () => follower.problems.length === 0);
});

test('a kubeconfig that is not there, is no YAML, or names no cluster, says which and why', async () => {
  const file = plane.file('late.kubeconfig');
  const follower = await follow(file);
  const told = (pattern: RegExp): Promise<unknown> =>
    follower.until(`a problem like ${pattern}`, () => follower.problems.some((text) => pattern.test(text)));
  await told(/late\.kubeconfig cannot be used \(ENOENT/);
  writeFileSync(file, 'clusters: [\n');
  await told(/late\.kubeconfig cannot be used \(/);
  writeFileSync(file, 'clusters: []\ncurrent-context: none\n');
  await told(/late\.kubeconfig cannot be used \(current-context names no cluster of it\)/);
  writeKubeconfig(plane, file, {});
  await follower.until('all of it', () => follower.endpoints('web').length === 1);
});
