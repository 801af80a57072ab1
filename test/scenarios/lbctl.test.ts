/** lbctl against a real agent, and against what it leaves when it is killed. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionView, ServiceView, StatsView, StatusView } from '../../src/api/types.ts';
import { agentCommand, lbctl } from '../rig/agent.ts';
import { type CommandResult, inNamespace, run } from '../rig/command.ts';
import { serviceManifest, writeManifest } from '../rig/manifests.ts';
import { podsOf, VIP } from '../rig/one-armed.ts';
import { PROJECT } from '../rig/rig.ts';
import { waitFor } from '../rig/wait.ts';
import { CLIENT, fetchVip, LB, type LbRig, standLbRig } from './lb-rig.ts';

const LBCTL = join(PROJECT, 'dist', 'cli', 'lbctl.js');

let lb: LbRig;
beforeAll(async () => {
  lb = await standLbRig('lbctl');
  for (let n = 0; n < 8; n++) await fetchVip(lb.rig);
  // A port that no service has.
  await lb.rig.exec(CLIENT, ['curl', '-s', '-m', '2', `http://${VIP}:81`], { mayFail: true });
});
afterAll(() => lb?.rig.destroy());

/** stderr is an error here, unless the agent is known to be dead. */
async function print(...words: string[]): Promise<string> {
  const { stdout, stderr } = await lbctl(lb.rig, LB, words);
  expect(stderr).toBe('');
  return stdout;
}

async function printWithoutAgent(...words: string[]): Promise<string> {
  const { stdout, stderr } = await lbctl(lb.rig, LB, words);
  expect(stderr).toMatch(
    /^lbctl: the agent is not running \(.*\); this comes from the pinned maps in .*\.\n$/,
  );
  return stdout;
}

const json = async <T>(text: Promise<string>): Promise<T> => JSON.parse(await text) as T;

/** What does not move while packets do. */
function still(services: readonly ServiceView[]) {
  return services.map(({ traffic: _traffic, activeFlows: _active, drops: _drops, backends, ...service }) => ({
    ...service,
    backends: backends.map(({ traffic: _t, activeFlows: _a, nextHop: _n, ...backend }) => backend),
  }));
}

let before: ServiceView[];
let table: string;

describe('with the agent', () => {
  it('lists services, backends and where they are', async () => {
    table = await print('service', 'list');
    const pods = podsOf(lb.rig.topology, 'web');
    expect(table.split('\n')[0]).toMatch(/^ID +Frontend +Service Type +Backend$/);
    expect(table).toMatch(new RegExp(`${VIP}:80/TCP  ExternalIPs    1 => [\\d.]+:8080 \\(active\\)\n`));
    before = await json<ServiceView[]>(print('service', 'list', '-o', 'json'));
    const web = before.find(({ name }) => name === 'web');
    expect(web?.backends.map(({ target }) => target).sort()).toEqual(
      pods.map(({ name }) => `demo/${name}`).sort(),
    );
    expect(await print('backend', 'list', '-o', 'wide', '--service', 'demo/web')).toMatch(
      /active .* valid .* demo\/web/,
    );
    expect(await print('service', 'get', `${VIP}:80/TCP`)).toMatch(/^Service: +demo\/web$/m);
  });

  it('shows flows, drops and tables', async () => {
    const flows = await json<ConnectionView[]>(print('conn', 'list', '-o', 'json', '--service', 'demo/web'));
    expect(flows.length).toBeGreaterThanOrEqual(8);
    expect(new Set(flows.map(({ frontend }) => frontend))).toEqual(new Set([`${VIP}:80/TCP`]));
    const client = flows[0]?.client.split(':')[0] ?? '';
    const byClient = await json<ConnectionView[]>(print('conn', 'list', '-o', 'json', '--client', client));
    expect(byClient.length).toBeGreaterThanOrEqual(8);
    expect(byClient.every((flow) => flow.client.startsWith(`${client}:`))).toBe(true);
    const few = await lbctl(lb.rig, LB, ['conn', 'list', '--limit', '3', '--no-headers']);
    expect(few.stdout.trimEnd().split('\n')).toHaveLength(3);
    expect(few.stderr).toMatch(/only 3 are shown, more match/);
    expect(await print('stats')).toMatch(/^unknown-port +[1-9]/m);
    expect(await print('maglev', 'show', 'demo/web')).toMatch(/^Fingerprint: +[0-9a-f]{16}$/m);
  });

  it('shows status, problems, and what a change of a manifest made of them', async () => {
    expect((await json<StatusView>(print('status', '-o', 'json'))).health).toBe('ok');
    expect(await print('status')).toMatch(/^Announced: +yes$/m);
    const bad = { ...lb.services.web, name: 'bad', vip: '10.99.0.1' };
    writeManifest(lb.rig, 'bad.yaml', serviceManifest(bad));
    await waitFor('the problem is reported', async () => {
      const { problems } = await json<StatusView>(print('status', '-o', 'json'));
      return problems.length > 0;
    });
    expect(await print('problems')).toMatch(/ demo\/bad /);
  });
});

describe('with the agent killed', () => {
  beforeAll(async () => {
    await lb.agents[0]?.process.stop('SIGKILL');
  });

  it('lists the same from the pinned maps, with names', async () => {
    expect(await printWithoutAgent('service', 'list')).toBe(table);
    const services = await json<ServiceView[]>(printWithoutAgent('service', 'list', '-o', 'json'));
    expect(still(services)).toEqual(still(before));
  });

  it('counts the packets that go on', async () => {
    for (let n = 0; n < 5; n++) await fetchVip(lb.rig);
    const flowsOf = (services: ServiceView[]) =>
      services.find(({ name }) => name === 'web')?.traffic.flows ?? 0;
    const after = await json<ServiceView[]>(printWithoutAgent('service', 'list', '-o', 'json'));
    expect(flowsOf(after)).toBeGreaterThanOrEqual(flowsOf(before) + 5);
    const stats = await json<StatsView>(printWithoutAgent('stats', '-o', 'json'));
    expect(stats.services.find(({ name }) => name === 'demo/web')?.traffic.flows).toBe(flowsOf(after));
    const flows = await json<ConnectionView[]>(
      printWithoutAgent('conn', 'list', '-o', 'json', '--service', 'demo/web'),
    );
    expect(flows.length).toBeGreaterThanOrEqual(5);
  });

  it('looks again and again by the same descriptors', async () => {
    const words = ['--config', lb.rig.path(LB, 'agent.yaml'), 'status', '--watch', '0.1', '-o', 'json'];
    const watching = lb.rig.spawn(LB, [process.execPath, LBCTL, ...words], { name: 'watch' });
    const output = () => watching.output(1_000_000);
    const looks = () => output().match(/"agent": "not running"/g)?.length ?? 0;
    const descriptors = () => readdirSync(`/proc/${watching.id.pid}/fd`).length;
    await waitFor('three looks', async () => looks() >= 3);
    const few = descriptors();
    await waitFor('ten looks', async () => looks() >= 10);
    expect(descriptors()).toBeLessThanOrEqual(few + 3);
    expect(output().match(/the agent is not running \(/g)).toHaveLength(1);
    await watching.stop('SIGINT');
    expect(watching.status).toBe(0);
  });

  it('says in status what goes on and what is not known', async () => {
    const status = await json<StatusView>(printWithoutAgent('status', '-o', 'json'));
    expect(status.agent).toBe('not running');
    expect(status.health).toBe('the agent is not running; packets go on by what is in the maps');
    expect(status.vip).toMatchObject({ up: true, announce: 'yes' });
    expect(status.devices).toMatchObject([{ mode: 'xdp', attached: true }]);
    expect(status.services).toBe(before.length);
    expect(await printWithoutAgent('maglev', 'show', 'demo/web')).toMatch(/^Fingerprint: +[0-9a-f]{16}$/m);
  });

  it('needs the agent for problems and drain, and root for the maps', async () => {
    for (const command of ['problems', 'drain']) {
      const { code, stderr } = await lbctl(lb.rig, LB, [command], { mayFail: true });
      expect(code).toBe(4);
      expect(stderr).toMatch(/needs the agent/);
    }
    const { code, stderr } = await asNobody('service', 'list');
    expect(stderr).toMatch(/Run lbctl as root/);
    expect(code).toBe(5);
  });

  it('goes on without names', async () => {
    rmSync(lb.rig.path(LB, 'agent', 'names.json'));
    const services = await json<ServiceView[]>(printWithoutAgent('service', 'list', '-o', 'json'));
    expect(services.map(({ frontend }) => frontend)).toEqual(before.map(({ frontend }) => frontend));
    expect(new Set(services.map(({ name }) => name))).toEqual(new Set(['']));
    expect(await printWithoutAgent('service', 'get', `${VIP}:80/TCP`)).toMatch(/^Service: +-$/m);
  });

  it('names both places when nothing is left', async () => {
    await agentCommand(lb.rig, LB, ['cleanup', '--config', lb.rig.path(LB, 'agent.yaml')]);
    const { code, stdout, stderr } = await lbctl(lb.rig, LB, ['service', 'list'], { mayFail: true });
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toContain(lb.rig.path(LB, 'agent', 'agent.sock'));
    expect(stderr).toContain(lb.rig.bpfDirectory(LB));
  });
});

function asNobody(...words: string[]): Promise<CommandResult> {
  const places = ['--runtime-directory', '/nowhere', '--bpf-directory', lb.rig.bpfDirectory(LB)];
  const command = [process.execPath, LBCTL, ...places, ...words];
  const unprivileged = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...command];
  return run(inNamespace(lb.rig.namespace(LB), unprivileged), { mayFail: true, timeout: 60_000 });
}
