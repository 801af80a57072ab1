/**
 * A network namespace of the bench's own. The bench starts itself again inside it, so that the namespace
 * goes when the process goes and nothing is left to clean up, however it ended.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { addressOf, BACKEND_PREFIX6 } from './desired.ts';

const INSIDE = 'L4LB_BENCH_NAMESPACE';

/** One arm: clients, backends and the balancer meet on one device. */
export const LAYOUT = {
  device: 'lan0',
  deviceMac: '02:00:00:00:00:01',
  deviceIfindex: 10,
  gatewayMac: '02:00:00:00:00:02',
  /** Everything is behind the gateway but the backends. */
  gateway: '10.0.0.254',
  backendNetwork: 0x0a030000,
  backendHosts: 250,
} as const;

export function isInside(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** The last CPU: the first one often serves interrupts. */
export function pinnedCpu(): number {
  return cpus().length - 1;
}

/** The command that runs a script like this process, but in new namespaces and, unless told, pinned to one CPU. */
export function insideCommand(nodeArguments: readonly string[], pinned = true) {
  return {
    command: 'unshare',
    args: [
      ...['--net', '--mount', '--'],
      ...(pinned ? ['taskset', '-c', String(pinnedCpu())] : []),
      ...[process.execPath, ...nodeArguments],
    ],
    env: { ...process.env, [INSIDE]: '1' },
  };
}

/** Runs this very program there; its exit status. */
export function startInside(args: readonly string[], pinned = true): number {
  const inside = insideCommand([...process.execArgv, ...args], pinned);
  const run = spawnSync(inside.command, inside.args, { stdio: 'inherit', env: inside.env });
  if (run.error) throw new Error(`can't make a network namespace: ${run.error.message}`);
  return run.status ?? 1;
}

function ip(batch: readonly string[]): void {
  const run = spawnSync('ip', ['-batch', '-'], { input: batch.join('\n'), encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`ip failed: ${run.stderr || run.error?.message}`);
}

/** Of the mount namespace's own: it goes with the process, and so do the pins. */
function mountBpffs(): void {
  const run = spawnSync('mount', ['-t', 'bpf', 'bpf', '/sys/fs/bpf'], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`can't mount a bpffs: ${run.stderr || run.error?.message}`);
}

/** Devices, addresses, routes and neighbours; call it inside. Neighbours are static: nothing answers. */
export function setUpNetwork(): void {
  const { device, deviceMac, deviceIfindex, gateway, gatewayMac, backendNetwork, backendHosts } = LAYOUT;
  const backendMac = (n: number) =>
    `02:00:00:03:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
  ip([
    'link set lo up',
    `link add ${device} index ${deviceIfindex} address ${deviceMac} type veth peer name far0 address ${gatewayMac}`,
    `link set ${device} up`,
    'link set far0 up',
    `addr add 10.0.0.1/24 dev ${device}`,
    `addr add 10.3.255.1/16 dev ${device}`,
    `addr add fd00:3::1:1/64 dev ${device} nodad`,
    `neigh add ${gateway} lladdr ${gatewayMac} dev ${device} nud permanent`,
    `route add default via ${gateway} dev ${device}`,
    ...Array.from(
      { length: backendHosts },
      (_, n) => `neigh add 10.3.0.${n + 1} lladdr ${backendMac(n + 1)} dev ${device} nud permanent`,
    ),
    ...Array.from({ length: backendHosts }, (_, n) => {
      const address = addressOf(6, BACKEND_PREFIX6, backendNetwork + n + 1);
      return `neigh add ${address} lladdr ${backendMac(n + 1)} dev ${device} nud permanent`;
    }),
  ]);
  mountBpffs();
  for (const [key, value] of [
    ['ip_forward', '1'],
    [`conf/${device}/forwarding`, '1'],
    [`conf/${device}/rp_filter`, '0'],
    ['conf/all/rp_filter', '0'],
  ]) {
    writeFileSync(`/proc/sys/net/ipv4/${key}`, String(value));
  }
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
}
