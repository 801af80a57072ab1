/** The VIP device, made by the rig itself where no agent does it. */
import { VIP_DEVICE } from './bgp.ts';
import type { Rig } from './rig.ts';

export type VipDeviceKind = 'dummy' | 'ifb';

/**
 * A device without a peer that holds the first address of the VIP range, and is down: `dummy`, or where the
 * kernel has no driver for it `ifb`, which behaves the same as far as addresses, routes and link state go.
 */
export async function makeVipDevice(rig: Rig, lb: string): Promise<VipDeviceKind> {
  const add = (kind: VipDeviceKind) => ['ip', 'link', 'add', VIP_DEVICE, 'type', kind];
  const dummy = await rig.exec(lb, add('dummy'), { mayFail: true });
  if (dummy.code !== 0) await rig.exec(lb, add('ifb'));
  const [network = '', length = ''] = rig.topology.vipRange.split('/');
  const first = network.replace(/\d+$/, (last) => `${Number(last) + 1}`);
  await rig.exec(lb, ['ip', 'address', 'add', `${first}/${length}`, 'dev', VIP_DEVICE]);
  return dummy.code === 0 ? 'dummy' : 'ifb';
}

/** Sets the VIP device up ("announce me") or down ("do not"). */
export async function setVipDevice(rig: Rig, lb: string, state: 'up' | 'down'): Promise<void> {
  await rig.exec(lb, ['ip', 'link', 'set', VIP_DEVICE, state]);
}

/** What an agent in this rig has to ask for: `dummy` where the kernel has it. */
export async function vipDeviceKind(rig: Rig, lb: string): Promise<VipDeviceKind> {
  const probe = 'probe-dummy';
  const made = await rig.exec(lb, ['ip', 'link', 'add', probe, 'type', 'dummy'], { mayFail: true });
  if (made.code !== 0) return 'ifb';
  await rig.exec(lb, ['ip', 'link', 'delete', probe]);
  return 'dummy';
}
