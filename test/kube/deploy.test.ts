import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loadConfigOfAnyRole } from '../../src/config/parse-node-config.ts';
import * as bench from '../scenarios/agent-bench.ts';
import { type KubeObject, service, slice } from './api-client.ts';
import { ControlPlane } from './control-plane.ts';
import { ALL_DIRECTORIES, DEPLOYED, deployedObjects } from './deployed-rights.ts';
import { type PodSpec, podSpec, probe, runAsPod } from './pod.ts';

/** What deploy/ says: a real API server takes it, and the agent works with just what its pods would have. */

const WORKER = {
  role: 'node',
  vips: '{ ranges: [10.1.0.0/24] }',
  tunnel: '{ sources: [192.0.2.0/24] }',
  snat: undefined,
  limits: undefined,
};
const CONTROLLER = '{ enabled: true, pools: [{ name: public, addresses: [10.1.0.16-10.1.0.31] }] }';

let plane: ControlPlane;
let objects: readonly KubeObject[];
let lb: PodSpec;
/** What kubectl said of each directory before anything was there. */
const dryRuns = new Map<string, string>();
let agent: bench.RunningAgent | undefined;

beforeAll(async () => {
  bench.setUp();
  const inside = ['nsenter', `--net=${bench.namespace}`];
  plane = await ControlPlane.start(join(bench.directory, 'kube'), { inside });
  objects = deployedObjects(plane, ALL_DIRECTORIES);
  lb = podSpec(objects, 'l4lb-lb');
  for (const directory of ALL_DIRECTORIES) {
    const apply = ['apply', '--server-side', '--kustomize', directory];
    dryRuns.set(directory, plane.kubectl([...apply, '--dry-run=server', '--validate=true']));
    plane.kubectl(apply);
  }
  // As hosts have one; a pod without CAP_SYS_ADMIN could not mount it.
  mkdirSync(bench.bpf);
  execFileSync('mount', ['-t', 'bpf', 'bpf', bench.bpf]);
});
afterEach(async () => {
  if (agent !== undefined) await bench.end(agent, 'SIGKILL');
  agent = undefined;
  await bench.cleanup();
});
afterAll(async () => {
  await plane?.stop();
  bench.tearDown();
});

function writeConfig(changes: Readonly<Record<string, string | undefined>> = {}): void {
  bench.writeConfig({
    source: '{ kind: kubernetes, secondLook: 0s }',
    metrics: '{ listen: "127.0.0.1:9469" }',
    ...changes,
  });
}

test.each(ALL_DIRECTORIES)('%s is taken by a new cluster, and as often as one likes', (directory) => {
  const wanted = deployedObjects(plane, [directory]).map(({ metadata }) => metadata.name);
  const taken = dryRuns.get(directory)?.matchAll(/^\S+\/(\S+) serverside-applied \(server dry run\)$/gm);
  expect([...(taken ?? [])].map(([, name]) => name).sort()).toEqual(wanted.sort());
  plane.kubectl(['apply', '--server-side', '--kustomize', directory]);
});

test('the files of the ConfigMaps are valid, and those that the DaemonSets name', () => {
  for (const [name, role] of [
    ['l4lb-lb', 'lb'],
    ['l4lb-node', 'node'],
  ] as const) {
    const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name);
    const files = (map as unknown as { data: Record<string, string> }).data;
    const [, , argument = ''] = podSpec(objects, name).containers[0].args;
    for (const [file, text] of Object.entries(files)) {
      const node = file.replace(/\.yaml$/, '');
      expect(argument.replace('$(L4LB_NODE)', node)).toBe(`/etc/l4lb/${file}`);
      const path = join(bench.directory, file);
      writeFileSync(path, text);
      const { source, metrics, ...rest } = loadConfigOfAnyRole(path);
      expect('role' in rest ? rest.role : 'lb').toBe(role);
      expect([source.kind, source.kubeconfig]).toEqual(['kubernetes', undefined]);
      const { host, port } = podSpec(objects, name).containers[0].readinessProbe.httpGet;
      expect(metrics.listen).toEqual({ host, port });
    }
  }
});

test('as a pod the agent follows, serves, leads and is probed', async () => {
  writeConfig({ node: undefined, controller: CONTROLLER });
  const items = [service('web', '10.1.0.2'), slice('web-1', 'web', ['192.0.2.2'])];
  plane.kubectl(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  agent = runAsPod(plane, lb, { env: { L4LB_NODE: 'lb-1.example' } });
  await bench.untilServing(agent);
  const view = await bench.untilStatus(agent, 'it leads', ({ controller }) => controller?.leads === true);
  expect(view).toMatchObject({ node: 'lb-1.example', health: 'ok', problems: [] });
  expect(view.source).toMatchObject({ location: 'the pod', synced: true });
  expect(bench.inside('sysctl', '-n', 'net.ipv4.conf.eth0.rp_filter').trim()).toBe('0');
  const [{ livenessProbe, readinessProbe }] = lb.containers;
  expect([probe(livenessProbe), probe(readinessProbe)]).toEqual([200, 200]);
  await bench.api('POST', '/v1/drain');
  expect([probe(livenessProbe), probe(readinessProbe)]).toEqual([200, 503]);
  await bench.api('POST', '/v1/undrain');
});

test('as a pod the worker agent follows and is probed, by the name of its Node', async () => {
  writeConfig({ ...WORKER, node: undefined });
  const spec = podSpec(objects, 'l4lb-node');
  agent = runAsPod(plane, spec, { env: { L4LB_NODE: 'worker-1.example' } });
  const [{ livenessProbe, readinessProbe }] = spec.containers;
  await bench.until(
    'it is ready',
    () => [probe(livenessProbe), probe(readinessProbe)],
    (answers) => answers.join() === '200,200',
  );
  expect(await bench.status()).toMatchObject({ node: 'worker-1.example', health: 'ok', problems: [] });
});

test.each(['BPF', 'NET_ADMIN', 'PERFMON'])('without CAP_%s the agent does not begin', async (without) => {
  expect([...lb.containers[0].securityContext.capabilities.add].sort()).toEqual([
    'BPF',
    'NET_ADMIN',
    'PERFMON',
  ]);
  writeConfig();
  agent = runAsPod(plane, lb, { without });
  const { code, output } = await agent.ended;
  expect(code, output).toBeGreaterThan(0);
  expect(output).toMatch(/EPERM|EACCES|Operation not permitted/);
});

test("without the host's /proc/sys the agent says that its own is read-only", async () => {
  writeConfig();
  agent = runAsPod(plane, lb, { env: { L4LB_PROC_SYS: '' } });
  const { problems } = await bench.untilStatus(agent, 'the problem', (view) => {
    return view.problems.some(({ code }) => code === 'sysctl');
  });
  expect(problems.find(({ code }) => code === 'sysctl')?.message).toMatch(/EROFS.*L4LB_PROC_SYS/);
});

test('the Secret of the seed is made as docs/kubernetes.md says', () => {
  const seed = execFileSync('openssl', ['rand', '-hex', '16'], { encoding: 'utf8' }).trim();
  const flags = [`--from-literal=seed=${seed}`, '--dry-run=server', '--output=json'];
  const secret = plane.kubectl([
    '--namespace',
    DEPLOYED,
    'create',
    'secret',
    'generic',
    'l4lb-hash-seed',
    ...flags,
  ]);
  expect(Object.keys((JSON.parse(secret) as { data: object }).data)).toEqual(['seed']);
});
