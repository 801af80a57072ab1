/** An agent of an LB node in a worker's rig, in place of what tunnels there otherwise. */
import { writeFileSync } from 'node:fs';
import { type Agent, startConfigured } from './agent.ts';
import type { ConfigTree } from './agent-config.ts';
import { VIP_DEVICE } from './bgp.ts';
import { manifestDirectory } from './manifests.ts';
import { UPLINK } from './one-armed.ts';
import type { Rig } from './rig.ts';
import { vipDeviceKind } from './vip-device.ts';

/** The same on both nodes, so that they choose alike. */
const SEED = '6c346c622072696720736565';

export interface DsrNodeOptions {
  readonly mode: 'ipip' | 'gue';
  readonly attach: 'xdp' | 'tc';
  /** More of the section `dsr`: windows, room for remembered flows. */
  readonly dsr?: ConfigTree;
  readonly timeouts?: ConfigTree;
}

/** Starts it and waits until it has programmed the services. */
export async function startDsrNode(
  rig: Rig,
  lb: `lb${number}`,
  { mode, attach, dsr = {}, timeouts = {} }: DsrNodeOptions,
): Promise<Agent> {
  await rig.exec(lb, ['ip', 'link', 'set', 'dev', UPLINK, 'xdpdrv', 'off']);
  const n = lb.at(-1);
  const seedFile = rig.path(lb, 'seed');
  writeFileSync(seedFile, `${SEED}\n`, { mode: 0o600 });
  const config: ConfigTree = {
    node: lb,
    runtimeDirectory: rig.path(lb, 'agent'),
    bpfDirectory: rig.bpfDirectory(lb),
    source: { manifests: manifestDirectory(rig) },
    vips: {
      ranges: ['10.1.0.0/24', '2001:db8:1::/64'],
      device: { name: VIP_DEVICE, kind: await vipDeviceKind(rig, lb) },
    },
    devices: [{ name: UPLINK, attach }],
    mode,
    dsr: { source: [`10.20.${n}.128/25`, `2001:db8:2${n}::100/120`], ...dsr },
    timeouts,
    hash: { nodes: 2, seedFile },
  };
  return startConfigured(rig, lb, config);
}
