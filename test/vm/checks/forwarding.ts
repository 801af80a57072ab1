/** Real packets by every way into the LB node. */
import assert from 'node:assert/strict';
import { podsOf, ROUTER, VIP } from '../../rig/one-armed.ts';
import { waitFor } from '../../rig/wait.ts';
import type { Check } from '../check.ts';
import { addressSeen, askDns, askWeb, fetchMegabyte, MEGABYTE } from '../client.ts';
import { leadThrough, routerDevice, type VmBed, WAYS, type Way } from '../vm-bed.ts';

export const forwardingChecks: ReadonlyArray<Check<VmBed>> = WAYS.flatMap((way) => [
  { name: `${way.name}: HTTP reaches every pod, connection by connection`, run: (bed) => webByWay(bed, way) },
  { name: `${way.name}: a megabyte arrives whole`, run: megabyte },
  ...(way.vlan === undefined
    ? [
        { name: `${way.name}: DNS over UDP reaches every pod`, run: dns },
        { name: `${way.name}: pods see a SNAT address`, run: source },
      ]
    : [
        {
          name: `${way.name}: only tagged frames for VIP and SNAT pool`,
          run: (bed: VmBed) => tagged(bed, way),
        },
      ]),
]);

const podNames = (bed: VmBed, app: 'web' | 'dns'): string[] =>
  podsOf(bed.rig.topology, app).map(({ name }) => name);

async function webByWay(bed: VmBed, way: Way): Promise<undefined> {
  await leadThrough(bed.rig, way);
  const device = (await bed.agent.status()).devices.find(({ name }) => name === way.device);
  assert.deepEqual([device?.mode, device?.attached], [way.attach, true]);
  // 50 connections miss one of four pods once in half a million times.
  assert.deepEqual([...(await askWeb(bed.rig, 50)).keys()].sort(), podNames(bed, 'web'));
  return undefined;
}

async function dns(bed: VmBed): Promise<undefined> {
  const queries = 24;
  const answers = await askDns(bed.rig, queries);
  assert.deepEqual([...answers.keys()].sort(), podNames(bed, 'dns'));
  assert.equal(
    [...answers.values()].reduce((a, b) => a + b),
    queries,
  );
  return undefined;
}

async function megabyte({ rig }: VmBed): Promise<undefined> {
  assert.equal(await fetchMegabyte(rig), MEGABYTE);
  return undefined;
}

async function source({ rig }: VmBed): Promise<undefined> {
  assert.match(await addressSeen(rig), /^10\.50\.1\.[0-3]:\d+$/);
  return undefined;
}

/** What the router gets on the wire: the program has to put the tag on itself. */
async function tagged({ rig }: VmBed, way: Way): Promise<undefined> {
  const ours = '(net 10.1.0.0/24 or net 10.50.0.0/16)';
  const filter = `ip and ${ours} or (vlan and ip and ${ours})`;
  const command = ['tcpdump', '-l', '-U', '-eni', routerDevice(way), '-Q', 'in', filter];
  const capture = rig.spawn(ROUTER, command, { name: `tagged-${way.device}` });
  await waitFor('tcpdump listens', async () => capture.output().includes('listening on'));
  await askWeb(rig, 20);
  const frames = () =>
    capture
      .output(1 << 20)
      .split('\n')
      .filter((line) => line.includes('ethertype'));
  await waitFor('frames are seen', async () => frames().length >= 100, {
    evidence: async () => capture.output(),
  });
  await capture.stop('SIGINT');
  const plain = frames().filter((line) => !line.includes(`vlan ${way.vlan},`));
  assert.deepEqual(plain, []);
  assert.ok(
    frames().some((line) => line.includes(`${VIP}.80 >`)),
    'no answer of the VIP among the frames',
  );
  return undefined;
}
