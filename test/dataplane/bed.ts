/** A dataplane on the real kernel, without devices: its own pins, removed before and after. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  cleanupPins,
  type Dataplane,
  type OpenDataplaneOptions,
  openDataplane,
} from '../../src/dataplane/open-dataplane.ts';
import type { DataplaneConfig } from '../../src/dataplane/program-config.ts';
import { openKernel } from '../../src/kernel/libbpf.ts';
import { ensureBpffs } from '../../src/node/bpffs.ts';
import { runCommand } from '../../src/node/run-command.ts';
import type { DesiredBackend, DesiredService } from '../../src/services/desired-state.ts';

/** Small maps, so that places are used again soon. */
export const CONFIG: DataplaneConfig = {
  vips: {
    ranges: [{ network: 0x0a010000, length: 24 }],
    device: { name: 'lb-vip0', kind: 'dummy' },
    echo: true,
  },
  mode: 'snat',
  dsr: undefined,
  snat: {
    ranges: [{ first: 0x0a020010, count: 1, own: false }],
    ports: { min: 1024, max: 65535 },
    sharedFlows: 256,
  },
  timeouts: {
    tcpSyn: 5_000,
    tcpEstablished: 60_000,
    tcpHalfClosed: 10_000,
    tcpClosed: 1_000,
    udp: 1_000,
    udpReplied: 10_000,
  },
  reject: { unknownPort: false, noBackend: false, noFlow: false, perSecond: 100 },
  limits: { services: 16, backends: 32, slots: 4_096, nextHops: 256 },
};

export const kernel = openKernel();

/** Empty, on a BPF file system. `name` tells the tests of different files apart. */
export async function freshDirectory(name: string): Promise<string> {
  const directory = join('/sys/fs/bpf', `l4lb-dataplane-${name}`);
  await ensureBpffs(directory, runCommand);
  cleanupPins(kernel, directory);
  return directory;
}

export function removeDirectory(directory: string): void {
  cleanupPins(kernel, directory);
  rmSync(directory, { recursive: true });
}

export function open(bpfDirectory: string, more: Partial<OpenDataplaneOptions> = {}): Promise<Dataplane> {
  mkdirSync(bpfDirectory, { recursive: true });
  return openDataplane({
    kernel,
    bpfDirectory,
    config: CONFIG,
    hashSeed: 0x1234n,
    devices: [],
    egress: [],
    log: { info: () => undefined },
    ...more,
  });
}

export function backendAt(address: string, weight = 1): DesiredBackend {
  return { address, port: 8080, weight, state: weight === 0 ? 'draining' : 'active' };
}

/** UDP port 53 of the VIP. */
export function serviceOn(vip: string, backends: readonly DesiredBackend[], tableSize = 251): DesiredService {
  return {
    frontend: { vip, port: 53, protocol: 'UDP' },
    namespace: 'test',
    name: vip,
    type: 'LoadBalancer',
    mode: 'snat',
    tableSize,
    backends,
  };
}
