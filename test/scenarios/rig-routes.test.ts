/** What BGP does in the rig without an agent: two LB nodes, one with BIRD and one with FRR. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { birdc, gatewaysFor, lbBgp, startBird, startFrr, vtysh, waitForRoute } from '../rig/bgp.ts';
import type { ManagedProcess } from '../rig/managed-process.ts';
import { oneArmedTopology, ROUTER, VIP_RANGE } from '../rig/one-armed.ts';
import { createRig, PROJECT, type Rig } from '../rig/rig.ts';
import { makeVipDevice, setVipDevice } from '../rig/vip-device.ts';

let rig: Rig;
let bird: ManagedProcess;

beforeAll(async () => {
  rig = await createRig(oneArmedTopology({ id: `routes-${process.pid}`, lbs: 2 }));
  await startFrr(rig, ROUTER);
  bird = await startBird(rig, 'lb1');
  await startFrr(rig, 'lb2');
  const kinds = await Promise.all(['lb1', 'lb2'].map((lb) => makeVipDevice(rig, lb)));
  console.log(`VIP device: ${kinds[0]}`);
});
afterAll(() => rig?.destroy());

const snatPool = (lb: string) => lbBgp(rig.topology, lb).snatPool;

describe('two LB nodes announce the VIP range', () => {
  beforeEach(async () => {
    for (const lb of ['lb1', 'lb2']) await setVipDevice(rig, lb, 'up');
    await waitForRoute(rig, VIP_RANGE, ['lb1', 'lb2']);
  });

  it('spreads over both in the kernel of the router, whether BIRD or FRR announced it', async () => {
    expect(await gatewaysFor(rig, ROUTER, VIP_RANGE)).toEqual(['10.20.1.2', '10.20.2.2']);
    const { stdout } = await rig.exec(ROUTER, ['sysctl', '-n', 'net.ipv4.fib_multipath_hash_policy']);
    expect(stdout.trim()).toBe('1');
  });

  it.each(['lb1', 'lb2'])('withdraws %s when its VIP device goes down, and takes it back', async (lb) => {
    const other = lb === 'lb1' ? 'lb2' : 'lb1';
    await setVipDevice(rig, lb, 'down');
    await waitForRoute(rig, VIP_RANGE, [other]);
    await setVipDevice(rig, lb, 'up');
    await waitForRoute(rig, VIP_RANGE, ['lb1', 'lb2']);
  });

  it.each(['lb1', 'lb2'])('keeps the SNAT pool of %s announced while its VIP device is down', async (lb) => {
    await setVipDevice(rig, lb, 'down');
    await waitForRoute(rig, VIP_RANGE, [lb === 'lb1' ? 'lb2' : 'lb1']);
    expect(await gatewaysFor(rig, ROUTER, snatPool(lb))).toEqual([lbBgp(rig.topology, lb).routerId]);
  });

  it('has no route at all when both are down', async () => {
    for (const lb of ['lb1', 'lb2']) await setVipDevice(rig, lb, 'down');
    await waitForRoute(rig, VIP_RANGE, []);
  });

  it.each(['lb1', 'lb2'])('puts nothing from BGP into the kernel of %s', async (lb) => {
    const { stdout } = await rig.exec(lb, ['ip', '-j', 'route', 'show', 'table', 'all']);
    const routes = JSON.parse(stdout) as Array<{ protocol?: string; dst: string; type?: string }>;
    const kernel = new Set(['kernel', 'boot', undefined]);
    expect(routes.filter((route) => !kernel.has(route.protocol))).toEqual([]);
    expect(routes.map((route) => route.dst)).not.toContain(snatPool(lb));
  });

  it('finds the silent loss of a node by BFD', async () => {
    // The link stays up, but nothing gets in or out any more.
    const chain = (hook: string) => `chain ${hook} { type filter hook ${hook} priority 0; policy drop; }`;
    await rig.exec('lb2', ['nft', '-f', '-'], {
      input: `table ip cut { ${chain('input')}; ${chain('output')}; }`,
    });
    try {
      await waitForRoute(rig, VIP_RANGE, ['lb1']);
      await waitForRoute(rig, snatPool('lb2'), []);
      const neighbour = lbBgp(rig.topology, 'lb2').routerId;
      const text = await vtysh(rig, ROUTER, `show bgp neighbors ${neighbour} json`);
      expect(JSON.parse(text)[neighbour].lastNotificationReason).toBe('Cease/BFD Down');
    } finally {
      await rig.exec('lb2', ['nft', 'delete', 'table', 'ip', 'cut']);
    }
    await waitForRoute(rig, VIP_RANGE, ['lb1', 'lb2']);
  });

  it('withdraws everything of a node whose BIRD is killed, and comes back with it', async () => {
    await bird.stop('SIGKILL');
    await waitForRoute(rig, VIP_RANGE, ['lb2']);
    await waitForRoute(rig, snatPool('lb1'), []);
    bird = await startBird(rig, 'lb1');
    await waitForRoute(rig, VIP_RANGE, ['lb1', 'lb2']);
  });

  it('takes from an LB node only VIP ranges and SNAT pools', async () => {
    const { stdout } = await rig.exec(ROUTER, ['ip', '-j', 'route', 'show', 'proto', 'bgp']);
    const learnt = (JSON.parse(stdout) as Array<{ dst: string }>).map((route) => route.dst).sort();
    expect(learnt).toEqual([VIP_RANGE, snatPool('lb1'), snatPool('lb2')].sort());
    expect(await birdc(rig, 'lb1', 'show route')).not.toContain('10.10.');
    expect(await vtysh(rig, 'lb2', 'show bgp ipv4 unicast')).not.toContain('10.10.');
  });

  it('understands every command that docs/bgp.md tells to check with', async () => {
    const page = readFileSync(join(PROJECT, 'docs', 'bgp.md'), 'utf8');
    const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(
      (block) => block[1]?.split('\n') ?? [],
    );
    const asked = { birdc: 0, vtysh: 0, ip: 0 };
    for (const command of commands.map((line) => line.replace(/#.*/, '').trim())) {
      const [program = '', ...words] = command.split(' ');
      if (program === 'birdc') {
        asked.birdc++;
        expect(await birdc(rig, 'lb1', ...words)).not.toMatch(/syntax error|not found/);
      } else if (program === 'vtysh') {
        asked.vtysh++;
        const question = /"(.*)"/.exec(command)?.[1] ?? '';
        expect(await vtysh(rig, question.includes('ipv4') ? 'lb2' : ROUTER, question)).not.toContain('%');
      } else if (program === 'ip') {
        asked.ip++;
        const node = command.includes('lb-vip0') ? 'lb1' : ROUTER;
        expect((await rig.exec(node, [program, ...words])).stdout).not.toBe('');
      }
    }
    expect(Math.min(...Object.values(asked))).toBeGreaterThan(0);
  });
});
