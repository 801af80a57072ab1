/** The agent dies, comes back, and is cleaned up, by every way of attaching at once. */
import assert from 'node:assert/strict';
import { agentCommand } from '../../rig/agent.ts';
import { VIP_DEVICE } from '../../rig/bgp.ts';
import type { Rig } from '../../rig/rig.ts';
import type { Check } from '../check.ts';
import { askWeb, holdConnection } from '../client.ts';
import { LB, leadThrough, startVmAgent, type VmBed, WAYS } from '../vm-bed.ts';

export const survivalChecks: ReadonlyArray<Check<VmBed>> = [
  { name: 'survival: with the agent killed, every way goes on', run: killed },
  { name: 'survival: a new agent takes the programs over, and connections live on', run: restarted },
  { name: 'survival: cleanup leaves no program, qdisc or VIP device', run: cleanedUp },
];

/** What {@link programsOn} finds while all is well. */
const EACH: Readonly<Record<string, number>> = {
  tc: WAYS.filter(({ attach }) => attach === 'tc').length,
  ...Object.fromEntries(WAYS.filter(({ attach }) => attach !== 'tc').map(({ device }) => [device, 1])),
};

async function killed(bed: VmBed): Promise<undefined> {
  const { rig, agent } = bed;
  for (const way of WAYS) {
    await leadThrough(rig, way);
    bed.held.push(await holdConnection(rig));
  }
  await agent.process.stop('SIGKILL');
  for (const way of WAYS) {
    await leadThrough(rig, way);
    assert.ok((await askWeb(rig, 4)).size > 0, way.name);
  }
  return undefined;
}

async function restarted(bed: VmBed): Promise<undefined> {
  assert.deepEqual(await programsOn(bed), EACH);
  bed.agent = await startVmAgent(bed.rig);
  const { devices } = await bed.agent.status();
  assert.deepEqual(
    devices.filter(({ attached }) => !attached),
    [],
  );
  assert.deepEqual(await programsOn(bed), EACH);
  assert.equal(bed.held.length, WAYS.length);
  for (const connection of bed.held) assert.equal(await connection.askAgain(), connection.pod);
  return undefined;
}

async function cleanedUp(bed: VmBed): Promise<undefined> {
  await bed.agent.process.stop();
  await agentCommand(bed.rig, LB, ['cleanup', '--config', bed.agent.config]);
  const left = Object.values(await programsOn(bed));
  assert.deepEqual(new Set(left), new Set([0]));
  const qdiscs = await bed.rig.exec(LB, ['tc', 'qdisc', 'show']);
  assert.doesNotMatch(qdiscs.stdout, /clsact/);
  const device = await bed.rig.exec(LB, ['ip', 'link', 'show', VIP_DEVICE], { mayFail: true });
  assert.notEqual(device.code, 0);
  return undefined;
}

/** Programs of ours on each uplink by XDP, and on all of them by tc. */
async function programsOn({ rig }: VmBed): Promise<Record<string, number>> {
  const counts: Record<string, number> = { tc: await programsOnTc(rig) };
  for (const { device } of WAYS.filter(({ attach }) => attach !== 'tc')) {
    const { stdout } = await rig.exec(LB, ['ip', '-d', 'link', 'show', 'dev', device]);
    counts[device] = / name lb_xdp /.test(stdout) ? 1 : 0;
  }
  return counts;
}

/** Filters as bpftool lists them, and links of our program: Debian 12's bpftool lists no devices of tcx. */
async function programsOnTc(rig: Rig): Promise<number> {
  const bpftool = async (...args: string[]) => (await rig.exec(LB, ['bpftool', '-j', ...args])).stdout;
  const programs = JSON.parse(await bpftool('prog', 'show')) as Array<{ id: number; name?: string }>;
  const links = JSON.parse(await bpftool('link', 'show')) as Array<{ prog_id: number }>;
  const [net] = JSON.parse(await bpftool('net', 'show')) as Array<{
    tc: Array<{ kind: string; id?: number }>;
  }>;
  const ours = new Set(programs.filter(({ name }) => name === 'lb_tc').map(({ id }) => id));
  return links.filter(({ prog_id }) => ours.has(prog_id)).length + (net?.tc.length ?? 0);
}
