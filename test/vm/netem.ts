/** Paths that delay, lose and reorder packets. */
import assert from 'node:assert/strict';
import { ROUTER } from '../rig/one-armed.ts';
import type { Rig } from '../rig/rig.ts';
import { CLIENT } from './vm-bed.ts';

const NETEM = ['delay', '4ms', '1ms', 'loss', '2%', 'reorder', '25%', '50%'];

/** A transfer is few packets where segments travel together; so many of them lose one on every device. */
const TRANSFERS_MOST = 12;

/**
 * Runs the transfer while the router's devices lose and reorder what they send, again until each of them has:
 * packets lost on all of them together, and those that reached the client's TCP out of order.
 */
export async function overLossyPath(
  rig: Rig,
  devices: readonly string[],
  transfer: () => Promise<void>,
): Promise<{ transfers: number; lost: number; reordered: number }> {
  const before = await outOfOrder(rig);
  try {
    for (const device of devices) {
      await rig.exec(ROUTER, ['tc', 'qdisc', 'replace', 'dev', device, 'root', 'netem', ...NETEM]);
    }
    for (let transfers = 1; ; transfers += 1) {
      await transfer();
      const lost = await Promise.all(devices.map((device) => drops(rig, device)));
      const reordered = (await outOfOrder(rig)) - before;
      if (lost.every((count) => count > 0) && reordered > 0) {
        return { transfers, lost: lost.reduce((a, b) => a + b), reordered };
      }
      if (transfers < TRANSFERS_MOST) continue;
      assert.fail(`${transfers} transfers lost ${lost} packets by device, ${reordered} came out of order`);
    }
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
  const { stdout } = await rig.exec(CLIENT, ['nstat', '-asz', 'TcpExtTCPOFOQueue']);
  return Number(/TCPOFOQueue\s+(\d+)/.exec(stdout)?.[1] ?? 0);
}
