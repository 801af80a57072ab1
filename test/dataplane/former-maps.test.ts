/** An agent whose maps have another layout than those it finds: it reads nothing of them, and leaves none. */
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ManagedDevice } from '../../src/dataplane/device-links.ts';
import { openJiffiesClock } from '../../src/dataplane/jiffies-clock.ts';
import { buildProduct } from '../../src/kernel/build-directory.ts';
import { layout, nodeFlow, nodeFlowKey } from '../../src/layout/generated.ts';
import { runChecked, runCommand } from '../../src/node/run-command.ts';
import { cleanupNodePins, openNodeDataplane } from '../../src/node-dataplane/open-node-dataplane.ts';
import { testNodeConfig } from '../packet/node/scene.ts';
import { backendAt, freshDirectory, kernel, open, removeDirectory, serviceOn } from './bed.ts';

const DEVICE = 'l4lb-fm0';
const CURRENT = `_v${layout.LAYOUT_VERSION}`;

let directory = '';
let device: ManagedDevice;

beforeEach(async () => {
  directory = await freshDirectory('former-maps');
  await runCommand('ip', ['link', 'del', DEVICE]);
  await runChecked(runCommand, 'ip', ['link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', 'l4lb-fm1']);
  const ifindex = Number(readFileSync(`/sys/class/net/${DEVICE}/ifindex`, 'utf8'));
  device = { name: DEVICE, ifindex, attach: 'xdp' };
});

afterEach(async () => {
  cleanupNodePins(kernel, directory);
  removeDirectory(directory);
  await runCommand('ip', ['link', 'del', DEVICE]);
});

const pins = (): string[] => readdirSync(join(directory, 'maps')).sort();

/** As if the version before this one had made them. */
function makeFormer(): void {
  const maps = join(directory, 'maps');
  for (const name of pins()) {
    renameSync(join(maps, name), join(maps, name.replace(/_v\d+$/, `_v${layout.LAYOUT_VERSION - 1}`)));
  }
}

/** What was logged of removed maps: their names. */
function recorder(): { readonly removed: string[]; readonly log: { info(fields: object): void } } {
  const removed: string[] = [];
  const info = (fields: object): void => {
    if ('maps' in fields) removed.push(...(fields.maps as string[]));
  };
  return { removed, log: { info } };
}

test('of an LB node: the device gets the new program, and the services come from the source', async () => {
  const first = await open(directory, { devices: [device] });
  const services = [serviceOn('10.1.0.2', [backendAt('10.0.0.1')])];
  await first.apply({ services });
  const before = first.health().devices[0]?.programId;
  await first.close();
  const names = pins();
  makeFormer();
  const former = pins();

  const { removed, log } = recorder();
  const second = await open(directory, { devices: [device], log });
  expect(second.serviceCount).toBe(0);
  expect(second.health()).toMatchObject({ ok: true, devices: [{ attached: true }] });
  expect(second.health().devices[0]?.programId).not.toBe(before);
  expect(removed.sort()).toEqual(former);
  expect(pins()).toEqual(names);
  await second.apply({ services });
  expect(second.serviceCount).toBe(1);
  await second.close();

  const again = recorder();
  const third = await open(directory, { devices: [device], log: again.log });
  expect(third.serviceCount).toBe(1);
  expect(again.removed).toEqual([]);
  await third.close();
});

test('as long as a device may have the former program, its maps stay', async () => {
  const first = await open(directory, { devices: [device] });
  await first.close();
  makeFormer();
  const former = pins();
  const nowhere = { name: 'l4lb-fm9', ifindex: 0x7fffffff, attach: 'xdp' as const };
  await expect(open(directory, { devices: [device, nowhere] })).rejects.toThrow();
  expect(pins()).toEqual(expect.arrayContaining(former));
});

test('of a worker: a flow without the client’s own port, as it was before, is not taken for one of now', async () => {
  mkdirSync(directory, { recursive: true });
  const clock = await openJiffiesClock(kernel, buildProduct('clock.bpf.o'));
  const { removed, log } = recorder();
  const config = { ...testNodeConfig(), devices: [{ name: DEVICE, attach: 'xdp' as const }] };
  const options = { kernel, bpfDirectory: directory, config, devices: [device], clock, log };
  try {
    const first = await openNodeDataplane(options);
    const key = nodeFlowKey.encode({
      pod: [0x0a280107, 0, 0, 0],
      client: [0xc6336407, 0, 0, 0],
      podPort: 8080,
      clientPort: 40_000,
      protocol: 6,
      family: 4,
      reserved: 0,
    });
    const vip = [0x0a010002, 0, 0, 0];
    const flow = { vip, vipPort: 80, generation: 1, place: 0, traffic: 0, clientPort: 0, reserved: 0 };
    kernel.update(first.maps.maps.node_flows, key, nodeFlow.encode(flow));
    first.close();
    makeFormer();

    const second = await openNodeDataplane(options);
    expect(kernel.entries(second.maps.maps.node_flows)).toEqual([]);
    expect(second.health()).toMatchObject([{ attached: true }]);
    expect(removed).toContain(`node_flows_v${layout.LAYOUT_VERSION - 1}`);
    expect(pins().every((name) => name.endsWith(CURRENT))).toBe(true);
    second.close();
  } finally {
    clock.close();
  }
});
