/** Transfers over a path that loses and reorders packets, in both directions, on both sides of the LB node. */
import assert from 'node:assert/strict';
import { ROUTER } from '../../rig/one-armed.ts';
import type { Rig } from '../../rig/rig.ts';
import type { Check, Facts } from '../check.ts';
import { fetchMegabyte, MEGABYTE } from '../client.ts';
import { leadThrough, routerDevice, type VmBed, WAYS, type Way } from '../vm-bed.ts';

const NETEM = ['delay', '4ms', '1ms', 'loss', '2%', 'reorder', '25%', '50%'];

export const lossyPathChecks: ReadonlyArray<Check<VmBed>> = WAYS.filter(
  ({ vlan, attach }) => vlan === undefined && attach !== 'xdp-generic',
).map((way) => ({
  name: `${way.name}: a megabyte arrives whole over a path that loses and reorders`,
  run: (bed) => lossy(bed, way),
}));

async function lossy({ rig }: VmBed, way: Way): Promise<Facts> {
  await leadThrough(rig, way);
  // Every packet passes the router towards the LB node, requests and answers alike.
  const devices = [routerDevice(way), 'client1'];
  try {
    for (const device of devices) {
      await rig.exec(ROUTER, ['tc', 'qdisc', 'replace', 'dev', device, 'root', 'netem', ...NETEM]);
    }
    assert.equal(await fetchMegabyte(rig), MEGABYTE);
    const lost = await Promise.all(devices.map((device) => drops(rig, device)));
    assert.ok(
      lost.every((count) => count > 0),
      `netem lost nothing: ${lost}`,
    );
    const reordered = await outOfOrder(rig);
    assert.ok(reordered > 0, 'the client saw no segment out of order');
    return { lost: lost.reduce((a, b) => a + b), reordered };
  } finally {
    for (const device of devices) {
      await rig.exec(ROUTER, ['tc', 'qdisc', 'delete', 'dev', device, 'root'], { mayFail: true });
    }
  }
}

async function drops(rig: Rig, device: string): Promise<number> {
  const { stdout } = await rig.exec(ROUTER, ['tc', '-s', '-j', 'qdisc', 'show', 'dev', device]);
  const qdiscs = JSON.parse(stdout) as Array<{ kind: string; drops: number }>;
  return qdiscs.find(({ kind }) => kind === 'netem')?.drops ?? 0;
}

/** Segments that the client's TCP had to put back in order, since its namespace exists. */
async function outOfOrder(rig: Rig): Promise<number> {
  const { stdout } = await rig.exec('client1', ['nstat', '-asz', 'TcpExtTCPOFOQueue']);
  return Number(/TCPOFOQueue\s+(\d+)/.exec(stdout)?.[1] ?? 0);
}
