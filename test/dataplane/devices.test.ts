/** Programs on devices: over restarts, swaps, devices made anew, and other owners. No traffic. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ManagedDevice } from '../../src/dataplane/device-links.ts';
import type { Dataplane } from '../../src/dataplane/open-dataplane.ts';
import { cleanupPins } from '../../src/dataplane/open-dataplane.ts';
import type { AttachMode } from '../../src/kernel/kernel.ts';
import { runChecked, runCommand } from '../../src/node/run-command.ts';
import { backendAt, CONFIG, freshDirectory, kernel, open, removeDirectory, serviceOn } from './bed.ts';

const DEVICE = 'l4lb-dp0';
const PEER = 'l4lb-dp1';
const SETTINGS = { config: CONFIG, hashSeed: 0x1234n, egress: [] };

let directory = '';
let dataplane: Dataplane | undefined;

async function ip(...args: string[]): Promise<void> {
  await runChecked(runCommand, 'ip', args);
}

async function makeDevice(): Promise<void> {
  await runCommand('ip', ['link', 'del', DEVICE]);
  await ip('link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', PEER);
}

function device(attach: AttachMode): ManagedDevice {
  const ifindex = Number(readFileSync(`/sys/class/net/${DEVICE}/ifindex`, 'utf8'));
  return { name: DEVICE, ifindex, attach };
}

beforeEach(async () => {
  directory = await freshDirectory('devices');
  await makeDevice();
});

afterEach(async () => {
  await dataplane?.close();
  dataplane = undefined;
  removeDirectory(directory);
  await runCommand('ip', ['link', 'del', DEVICE]);
});

test.each(['xdp', 'xdp-generic', 'tc'] as const)(
  '%s: attached, kept over a restart, cleaned up',
  async (mode) => {
    const devices = [device(mode)];
    dataplane = await open(directory, { devices });
    const first = dataplane.health();
    expect(first).toMatchObject({ ok: true, devices: [{ name: DEVICE, mode, attached: true }] });
    await dataplane.close();
    const owner = kernel.xdpOwner(device(mode).ifindex);
    expect(owner?.mode).toBe(mode === 'tc' ? undefined : mode);
    dataplane = await open(directory, { devices });
    const second = dataplane.health();
    expect(second.ok).toBe(true);
    // The program is a new one under the same link.
    expect(second.devices[0]?.programId).not.toBe(first.devices[0]?.programId);
    expect(readdirSync(join(directory, 'links'))).toEqual([DEVICE]);
    await dataplane.close();
    dataplane = undefined;
    cleanupPins(kernel, directory);
    expect(kernel.xdpOwner(device(mode).ifindex)).toBeUndefined();
    expect(readdirSync(directory)).toEqual([]);
  },
);

test('a device that was deleted and made again gets the program again', async () => {
  dataplane = await open(directory, { devices: [device('xdp')] });
  await makeDevice();
  expect(dataplane.health().ok).toBe(false);
  const anew = device('xdp');
  await dataplane.updateDevices([anew], []);
  expect(dataplane.health().ok).toBe(true);
  expect(kernel.xdpOwner(anew.ifindex)?.programId).toBe(dataplane.health().devices[0]?.programId);
  // And by a restarted agent as well.
  await dataplane.close();
  await makeDevice();
  dataplane = await open(directory, { devices: [device('xdp')] });
  expect(dataplane.health().ok).toBe(true);
});

test('a program taken off by hand is noticed', async () => {
  dataplane = await open(directory, { devices: [device('xdp')] });
  const link = kernel.openPinnedLink(join(directory, 'links', DEVICE));
  if (link === undefined) throw new Error('the link is not pinned');
  kernel.detachLink(link);
  kernel.closeFd(link.fd);
  expect(dataplane.health().ok).toBe(false);
  await dataplane.updateDevices([device('xdp')], []);
  expect(dataplane.health().ok).toBe(true);
});

test('a swap puts another program under the link, keeps the maps, and an apply still works', async () => {
  const devices = [device('xdp')];
  dataplane = await open(directory, { devices });
  await dataplane.apply({ services: [serviceOn('10.1.0.2', [backendAt('10.0.0.1')])] });
  const before = dataplane.health().devices[0]?.programId;
  await dataplane.swapProgram({
    ...SETTINGS,
    config: { ...CONFIG, vips: { ...CONFIG.vips, echo: false } },
    devices,
  });
  expect(dataplane.health().ok).toBe(true);
  expect(dataplane.health().devices[0]?.programId).not.toBe(before);
  expect(dataplane.serviceCount).toBe(1);
  const more = [backendAt('10.0.0.1'), backendAt('10.0.0.2')];
  expect((await dataplane.apply({ services: [serviceOn('10.1.0.2', more)] })).changed).toBe(1);
});

test('another mode, and no device any more', async () => {
  dataplane = await open(directory, { devices: [device('xdp')] });
  await dataplane.updateDevices(
    [device('tc')],
    [{ ifindex: device('tc').ifindex, parent: device('tc').ifindex, vlan: 0 }],
  );
  expect(kernel.xdpOwner(device('tc').ifindex)).toBeUndefined();
  expect(dataplane.health()).toMatchObject({ ok: true, devices: [{ mode: 'tc', attached: true }] });
  expect(kernel.entries(dataplane.maps.others.egress_devices)).toHaveLength(1);
  await dataplane.updateDevices([], []);
  expect(readdirSync(join(directory, 'links'))).toEqual([]);
  expect(kernel.entries(dataplane.maps.others.egress_devices)).toHaveLength(0);
});

test('a device that another program owns is refused with its id, and left alone', async () => {
  const other = await freshDirectory('devices-other');
  const owner = await open(other, { devices: [device('xdp')] });
  const id = owner.health().devices[0]?.programId;
  try {
    await expect(open(directory, { devices: [device('xdp')] })).rejects.toMatchObject({
      code: 'DEVICE_BUSY',
      message: expect.stringContaining(String(id)),
    });
    expect(owner.health().ok).toBe(true);
  } finally {
    await owner.close();
    removeDirectory(other);
  }
});

test('maps of another size are refused by name', async () => {
  dataplane = await open(directory);
  await dataplane.close();
  dataplane = undefined;
  const config = { ...CONFIG, limits: { ...CONFIG.limits, nextHops: 512 } };
  await expect(open(directory, { config })).rejects.toMatchObject({
    code: 'MAP_MISMATCH',
    message: expect.stringContaining('next_hops'),
  });
});
