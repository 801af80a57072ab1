/** Which devices the programs may send to. */
import type { BpfMap, Kernel } from '../kernel/kernel.ts';
import { egressDevice } from '../layout/generated.ts';

/** A VLAN device stands for its parent and a tag; `vlan` 0: the device itself. */
export interface EgressDeviceEntry {
  /** What the FIB names. */
  readonly ifindex: number;
  /** The device the frame leaves by. */
  readonly parent: number;
  readonly vlan: number;
}

/** Brings the map to these entries; only differences are written. */
export function writeEgressDevices(
  kernel: Pick<Kernel, 'entries' | 'update' | 'delete'>,
  map: BpfMap,
  devices: readonly EgressDeviceEntry[],
): void {
  const present = new Map(kernel.entries(map).map(({ key, value }) => [key.readUInt32LE(0), value]));
  for (const { ifindex, parent, vlan } of devices) {
    const value = egressDevice.encode({ ifindex: parent, vlan, reserved: 0 });
    if (present.get(ifindex)?.equals(value) !== true) kernel.update(map, keyOf(ifindex), value);
    present.delete(ifindex);
  }
  for (const ifindex of present.keys()) kernel.delete(map, keyOf(ifindex));
}

function keyOf(ifindex: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, ifindex, true);
  return key;
}
