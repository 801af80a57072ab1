/** Transfers over a path that loses and reorders packets, in both directions, on both sides of the LB node. */
import assert from 'node:assert/strict';
import type { Check, Facts } from '../check.ts';
import { fetchMegabyte, MEGABYTE } from '../client.ts';
import { overLossyPath } from '../netem.ts';
import { leadThrough, routerDevice, type VmBed, WAYS, type Way } from '../vm-bed.ts';

export const lossyPathChecks: ReadonlyArray<Check<VmBed>> = WAYS.filter(
  ({ vlan, attach }) => vlan === undefined && attach !== 'xdp-generic',
).map((way) => ({
  name: `${way.name}: a megabyte arrives whole over a path that loses and reorders`,
  run: (bed) => lossy(bed, way),
}));

async function lossy({ rig }: VmBed, way: Way): Promise<Facts> {
  await leadThrough(rig, way);
  // Every packet passes the router towards the LB node, requests and answers alike.
  return overLossyPath(rig, [routerDevice(way), 'client1'], async () => {
    assert.equal(await fetchMegabyte(rig), MEGABYTE);
  });
}
