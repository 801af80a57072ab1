/** What hosts have learned of the MTU of the way to somebody. */
import type { Rig } from '../rig.ts';

/** Bytes, towards one of the addresses; undefined: nothing was learned. */
export async function learnedMtu(rig: Rig, node: string, to: readonly string[]): Promise<number | undefined> {
  for (const address of to) {
    const { stdout } = await rig.exec(node, ['ip', 'route', 'get', address]);
    const mtu = /\bmtu (\d+)/.exec(stdout)?.[1];
    if (mtu !== undefined) return Number(mtu);
  }
  return undefined;
}

export async function forgetMtus(rig: Rig, node: string): Promise<void> {
  await rig.exec(node, ['ip', '-4', 'route', 'flush', 'cache']);
  await rig.exec(node, ['ip', '-6', 'route', 'flush', 'cache']);
}
