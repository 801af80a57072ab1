/** The VIP device as the kernel's own `dummy` driver makes it. */
import assert from 'node:assert/strict';
import { VIP_DEVICE } from '../../rig/bgp.ts';
import { waitFor } from '../../rig/wait.ts';
import type { Check } from '../check.ts';
import { LB, type VmBed } from '../vm-bed.ts';

interface Link {
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind: string };
  readonly addr_info: ReadonlyArray<{ readonly local: string; readonly prefixlen: number }>;
}

export const vipDeviceChecks: ReadonlyArray<Check<VmBed>> = [
  { name: 'VIP device: a dummy with the first address of the range, up while serving', run: up },
  { name: 'VIP device: down while drained, up again afterwards', run: drained },
];

async function look({ rig }: VmBed): Promise<Link> {
  const { stdout } = await rig.exec(LB, ['ip', '-d', '-j', 'address', 'show', 'dev', VIP_DEVICE]);
  const [link] = JSON.parse(stdout) as Link[];
  if (link === undefined) throw new Error(`no ${VIP_DEVICE}`);
  return link;
}

async function up(bed: VmBed): Promise<undefined> {
  const link = await look(bed);
  assert.equal(link.linkinfo?.info_kind, 'dummy');
  assert.ok(link.flags.includes('UP'), `${link.flags}`);
  assert.deepEqual(
    link.addr_info
      .filter(({ local }) => !local.includes(':'))
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ['10.1.0.1/24'],
  );
  return undefined;
}

async function drained(bed: VmBed): Promise<undefined> {
  const isUp = async () => (await look(bed)).flags.includes('UP');
  await bed.agent.post('/v1/drain');
  await waitFor('the device is down', async () => !(await isUp()));
  await bed.agent.post('/v1/undrain');
  await waitFor('the device is up', isUp);
  return undefined;
}
