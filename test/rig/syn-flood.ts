/** A SYN flood from the router through an LB node that tunnels by IPIP: see load/syn-flood.bpf.c. */
import { join } from 'node:path';
import { run } from './command.ts';
import { type LbName, PORT, ROUTER } from './many-pods.ts';
import { UPLINK } from './one-armed.ts';
import { PROJECT, type Rig } from './rig.ts';

export interface Flood {
  readonly sent: number;
  /** SYNs that the node forwarded, by backend. */
  readonly arrived: Readonly<Record<string, number>>;
  /** Client and port of those that it forwarded to the watched backend. */
  readonly watched: ReadonlyArray<readonly [client: string, port: number]>;
}

export interface FloodOptions {
  readonly lb: LbName;
  readonly vip: string;
  readonly syns: number;
  /** Address of a backend. */
  readonly watched: string;
}

/** Sends as fast as one CPU can, and returns when all that came back is counted. */
export async function synFlood(rig: Rig, { lb, vip, syns, watched }: FloodOptions): Promise<Flood> {
  await run(['make', '-s', '-C', join(PROJECT, 'test', 'rig'), 'flood'], { timeout: 60_000 });
  const mac = await rig.exec(lb, ['ip', '-j', 'link', 'show', 'dev', UPLINK]);
  const [{ address }] = JSON.parse(mac.stdout) as [{ address: string }];
  const built = (name: string) => join(PROJECT, 'build', 'rig', name);
  const command = [built('syn-flood'), built('syn-flood.bpf.o'), lb, address, vip, `${PORT}`, watched];
  const { stdout } = await rig.exec(ROUTER, [...command, `${syns}`], { timeout: 300_000 });
  return JSON.parse(stdout) as Flood;
}
