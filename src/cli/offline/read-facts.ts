/** Gathers what {@link offlineStatus} tells, from files, pins and iproute2. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seedFingerprint } from '../../agent/hash-seed.ts';
import { runtimeFiles } from '../../agent/runtime-files.ts';
import type { DeviceView } from '../../api/types.ts';
import { parseHashSeed } from '../../config/hash-seed.ts';
import { defaultNodeName } from '../../config/node-name.ts';
import type { MapsOverview } from '../../dataplane/inspect/open-inspector.ts';
import { linksDirectory } from '../../dataplane/maps.ts';
import type { ServiceNames } from '../../dataplane/service-names.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { deviceOfPin } from '../../kernel/link-pin.ts';
import { layout } from '../../layout/generated.ts';
import { parseAddress } from '../../net/address.ts';
import { formatRange } from '../../net/address-range.ts';
import { runCommand } from '../../node/run-command.ts';
import { nodeIdentity } from '../../node/sysctl-record.ts';
import { readVipDevice } from '../../vip/vip-device.ts';
import { readVipRecord } from '../../vip/vip-record.ts';
import type { Locations } from '../locations.ts';
import { lbctlVersion } from '../version.ts';
import type { OfflineFacts } from './offline-status.ts';

export async function readFacts(
  kernel: Kernel,
  locations: Locations,
  names: ServiceNames,
  maps: MapsOverview,
): Promise<OfflineFacts> {
  const { config } = locations;
  const files = runtimeFiles(locations.runtimeDirectory);
  return {
    node: config?.node ?? defaultNodeName(),
    version: lbctlVersion(),
    layoutVersion: layout.LAYOUT_VERSION,
    hashSeedFingerprint: fingerprintOf(config?.hash.seedFile ?? files.seed),
    devices: pinnedDevices(kernel, locations.bpfDirectory),
    vip: await vipDevice(locations, files.vipDevice),
    drained: existsSync(files.drained),
    manifests: config?.source.manifests,
    snatAddresses: names.snat.map(({ first, count }) =>
      formatRange({ first: parseAddress(first) ?? 0, count }),
    ),
    snatPorts: config && `${config.snat.ports.min}-${config.snat.ports.max}`,
    maps,
  };
}

function fingerprintOf(seedFile: string): string {
  try {
    return seedFingerprint(parseHashSeed(readFileSync(seedFile, 'utf8'), seedFile));
  } catch {
    return '';
  }
}

async function vipDevice(locations: Locations, recordFile: string): Promise<OfflineFacts['vip']> {
  const device = locations.config?.vips.device.name ?? readVipRecord(recordFile, nodeIdentity())?.device;
  if (device === undefined) return undefined;
  const { up, addresses } = await readVipDevice(runCommand, device);
  return { device, up, addresses };
}

/** Each pinned link: the agent names the pin after the device. */
function pinnedDevices(kernel: Kernel, bpfDirectory: string): DeviceView[] {
  const directory = linksDirectory(bpfDirectory);
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((pin): DeviceView[] => {
    const link = kernel.openPinnedLink(join(directory, pin));
    if (link === undefined) return [];
    try {
      // What a link tells is asked through its descriptor; of a device that is gone it has no ifindex.
      const { ifindex, programId } = link;
      const owner = ifindex === 0 ? undefined : kernel.xdpOwner(ifindex);
      const byXdp = owner?.programId === programId && owner.mode !== 'offload';
      return [
        {
          name: deviceOfPin(pin),
          mode: byXdp ? (owner.mode as DeviceView['mode']) : 'tc',
          attached: ifindex !== 0,
          programId,
        },
      ];
    } finally {
      kernel.closeFd(link.fd);
    }
  });
}
