/** `lb-agent cleanup` gives the machine back as it was. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentCommand, startAgent } from '../rig/agent.ts';
import { waitForRoute } from '../rig/bgp.ts';
import { oneArmedTopology, UPLINK, VIP_RANGE } from '../rig/one-armed.ts';
import { createRig } from '../rig/rig.ts';
import { LB, type LbRig, standLbRig } from './lb-rig.ts';

let lb: LbRig;
let untouched: Record<string, string>;
beforeAll(async () => {
  const plain = await createRig(oneArmedTopology({ id: `plain-${process.pid}` }));
  untouched = await stateOf(plain);
  await plain.destroy();
  lb = await standLbRig('clean');
});
afterAll(() => lb?.rig.destroy());

/** What an agent may change on its node, as text. */
async function stateOf(rig: LbRig['rig']): Promise<Record<string, string>> {
  const say = async (...command: string[]) => (await rig.exec(LB, command, { mayFail: true })).stdout;
  const sysctls = (await say('sysctl', '-a', '--pattern', '^net\\.ipv4\\.(conf\\.|ip_forward|ip_local)'))
    .split('\n')
    .filter((line) => !/conf\.lb-vip0/.test(line));
  const links = JSON.parse(await say('ip', '-j', '-d', 'link')) as Array<{ ifname: string; xdp?: unknown }>;
  return {
    sysctls: sysctls.join('\n'),
    rules: await say('ip', 'rule'),
    links: links.map((link) => `${link.ifname}${link.xdp === undefined ? '' : ' xdp'}`).join(),
    addresses: await say('ip', '-o', '-4', 'address'),
    tc: await say('bpftool', '-j', 'net', 'show', 'dev', UPLINK),
    managed: (await say('ip', 'neighbour', 'show', 'nud', 'all'))
      .split('\n')
      .filter((line) => / managed/.test(line))
      .join(),
  };
}

it('changes the node while it runs, as the test below would notice', async () => {
  const running = await stateOf(lb.rig);
  for (const key of ['sysctls', 'rules', 'links', 'addresses', 'managed']) {
    expect({ [key]: running[key] }).not.toEqual({ [key]: untouched[key] });
  }
});

it('refuses while the agent runs', async () => {
  const refused = await agentCommand(lb.rig, LB, ['cleanup', '--config', lb.rig.path(LB, 'agent.yaml')], {
    mayFail: true,
  });
  expect(refused.code).toBe(5);
  expect(existsSync(lb.rig.bpfDirectory(LB))).toBe(true);
});

it('restores sysctls, rules, addresses and devices of a killed agent, and withdraws', async () => {
  await lb.agents[0]?.process.stop('SIGKILL');
  await agentCommand(lb.rig, LB, ['cleanup', '--config', lb.rig.path(LB, 'agent.yaml')]);
  await waitForRoute(lb.rig, VIP_RANGE, []);
  expect(await stateOf(lb.rig)).toEqual(untouched);
  expect(existsSync(lb.rig.bpfDirectory(LB))).toBe(false);
});

it('may be run again, and an agent starts after it', async () => {
  const { stdout } = await agentCommand(lb.rig, LB, ['cleanup', '--config', lb.rig.path(LB, 'agent.yaml')]);
  expect(stdout).toContain('nothing to clean up');
  await startAgent(lb.rig, LB);
  await waitForRoute(lb.rig, VIP_RANGE, [LB]);
});
