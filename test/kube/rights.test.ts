import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { openController } from '../../src/controller/open-controller.ts';
import type { Service } from '../../src/sources/kube-objects.ts';
import { openSource } from '../../src/sources/open-source.ts';
import type { SourceSnapshot } from '../../src/sources/source.ts';
import { waitFor } from '../rig/wait.ts';
import { ApiClient } from './api-client.ts';
import { ControlPlane, scratchDirectory } from './control-plane.ts';
import {
  ALL_DIRECTORIES,
  accountKubeconfig,
  applyDeployed,
  DEPLOYED,
  deployedObjects,
  makeAccount,
  mayDo,
  type Right,
  rightsOf,
  sayRight,
} from './deployed-rights.ts';
import { addressesOf, balancer, read } from './service-view.ts';

/** The rights of deploy/: with all of them everything is done, and without any single one something is refused. */

const POOLS = '[{ name: public, addresses: [10.1.0.16-10.1.0.99] }]';
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${DEPLOYED}/leases/l4lb-controller`;

let plane: ControlPlane;
let api: ApiClient;
let rights: readonly Right[];
let runs = 0;

beforeAll(async () => {
  plane = await ControlPlane.start(scratchDirectory('rights'));
  api = new ApiClient(plane);
  applyDeployed(plane);
  rights = rightsOf(deployedObjects(plane, ALL_DIRECTORIES), 'l4lb-lb');
  // What is wrong with it stands, so each leader says it, and all but the first say it again.
  await api.apply(balancer('greedy', { spec: { loadBalancerIP: '10.9.9.9' } }));
  await untilGranted('l4lb-lb', rights);
});
afterAll(() => plane?.destroy());

async function untilGranted(account: string, granted: readonly Right[]): Promise<void> {
  for (const right of granted) {
    await waitFor(`${account} may ${sayRight(right)}`, () => mayDo(api, account, right));
  }
}

/**
 * A leader's life with the account's rights: follows, takes the Lease and renews it, gives addresses, says
 * what is wrong, meets a conflict. Ends with the first refusal, as the server words it; undefined: with none.
 */
async function firstRefusal(account: string): Promise<string | undefined> {
  runs += 1;
  const [first, late] = [`web-${runs}`, `late-${runs}`];
  await api.ask('DELETE', LEASE);
  const config = parseConfig(
    `{ node: lb1, source: { kind: kubernetes, kubeconfig: ${accountKubeconfig(plane, account)}, secondLook: 0s },
    backends: node-ports, vips: { ranges: [10.1.0.0/24] }, devices: [{ name: eth0 }], snat: { addresses: [10.2.0.16] },
    controller: { enabled: true, pools: ${POOLS}, lease: { duration: 3s } } }`,
    'rights.yaml',
  );
  const source = openSource(config.source);
  // The late Service is not seen before it is an older one than the server has.
  let stale: Service | undefined;
  const snapshot = (): SourceSnapshot => {
    const now = source.snapshot();
    const services = now.services.flatMap((each) => (each.name === late ? (stale ?? []) : each));
    return { ...now, services };
  };
  const log = pino({ level: 'silent' });
  const controller = openController(config, { source: { snapshot }, problems: () => [], log });
  if (controller === undefined) throw new Error('controller.enabled is false');
  const refusal = (): string | undefined =>
    [...source.snapshot().problems, ...controller.state.problems]
      .map(({ message }) => message)
      .find((message) => message.includes('answers 403'));
  // True when it came about, false when something was refused instead.
  const reach = async (what: string, look: () => Promise<boolean> | boolean): Promise<boolean> => {
    const evidence = async (): Promise<string> => JSON.stringify([source.watches?.(), controller.state]);
    const seen = async () => (refusal() !== undefined ? 'refused' : (await look()) && 'done');
    return (
      (await waitFor(`${account}: ${what}`, seen, { timeout: 30_000, interval: 20, evidence })) === 'done'
    );
  };
  const has = async (name: string): Promise<boolean> => addressesOf(await read(api, name)).length === 1;
  const path = `/api/v1/namespaces/default/services/${late}`;
  const follows = (): boolean => source.watches?.().every(({ connected }) => connected) === true;
  try {
    await api.apply(balancer(first));
    await source.start(() => {});
    if (!(await reach('it follows', follows))) return refusal();
    controller.start();
    if (!(await reach('it leads', () => controller.state.leader.leads))) return refusal();
    controller.trigger();
    if (!(await reach('it gives an address', () => has(first)))) return refusal();
    if (!(await reach('it says so', () => controller.state.writes.events >= 2))) return refusal();
    const version = await leaseVersion();
    if (!(await reach('it renews', async () => (await leaseVersion()) !== version))) return refusal();
    await api.apply(balancer(late));
    const found = (): Service | undefined => source.snapshot().services.find(({ name }) => name === late);
    await reach('the late one is known', () => found() !== undefined);
    const known = found();
    const labels = { changed: 'yes' };
    await api.do('PATCH', path, { metadata: { labels } }, 'application/merge-patch+json');
    stale = known;
    controller.trigger();
    await reach('it gives an address after a conflict', () => has(late));
    return refusal();
  } finally {
    await controller.stop();
    await source.stop();
  }
}

async function leaseVersion(): Promise<string> {
  const { metadata } = (await api.do('GET', LEASE)) as { metadata: { resourceVersion: string } };
  return metadata.resourceVersion;
}

test('with the rights of deploy/ everything is done, by the first leader and by the next', async () => {
  expect(await firstRefusal('l4lb-lb')).toBeUndefined();
  expect(await firstRefusal('l4lb-lb')).toBeUndefined();
});

test('without any single one of them, what it is for is refused, and the problem names it', async () => {
  const accounts = rights.map((right, index) => ({ right, account: `but-${index}` }));
  for (const { account, right } of accounts) {
    await makeAccount(
      api,
      account,
      rights.filter((each) => each !== right),
    );
  }
  expect(accounts.map(({ right }) => sayRight(right)).sort()).toEqual([
    'create coordination.k8s.io leases',
    'create events',
    'get coordination.k8s.io leases',
    'get services',
    'list discovery.k8s.io endpointslices',
    'list nodes',
    'list services',
    'patch coordination.k8s.io leases',
    'patch events',
    'patch services/status',
    'watch discovery.k8s.io endpointslices',
    'watch nodes',
    'watch services',
  ]);
  for (const { account, right } of accounts) {
    await untilGranted(
      account,
      rights.filter((each) => each !== right),
    );
    expect((await firstRefusal(account)) ?? 'nothing', `refused without: ${sayRight(right)}`).toContain(
      `cannot ${right.verb} resource "${right.resource}"`,
    );
  }
});

test('an agent that writes nothing, and a worker, may follow and nothing else', () => {
  const following = ['list services', 'watch services'].concat(
    ['list', 'watch'].map((verb) => `${verb} discovery.k8s.io endpointslices`),
  );
  const say = (directories: readonly string[], account: string): string[] =>
    rightsOf(deployedObjects(plane, directories), account).map(sayRight);
  expect(say(['deploy/base'], 'l4lb-lb')).toEqual(following);
  expect(say(['deploy/base'], 'l4lb-node')).toEqual(following);
  expect(say(ALL_DIRECTORIES, 'l4lb-node')).toEqual(following);
  expect(say(['deploy/base', 'deploy/node-ports'], 'l4lb-lb')).toEqual([
    ...following,
    'list nodes',
    'watch nodes',
  ]);
});
