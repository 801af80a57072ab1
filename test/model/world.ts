/** A small world in model state, for tests of the model alone. */
import { type Address, ip, mac } from './bytes.ts';
import {
  emptyState,
  type FibAnswer,
  frontendKey,
  type ModelConfig,
  type ModelState,
  type Service,
} from './state.ts';
import type { OwnerTable } from './tracked.ts';

export const HZ = 1000;
export const VIP = ip('10.1.0.2');
export const SNAT = ip('192.0.2.1');
export const BACKENDS = [ip('10.2.0.1'), ip('10.2.0.2'), ip('10.2.0.3')];
export const INGRESS = 7;
export const HTTP = 80;
export const DNS = 53;

const seconds = (count: number): number => count * HZ;

export const CONFIG: ModelConfig = {
  hashSeed: 0x0123456789abcdefn,
  vips: [{ network: ip('10.1.0.0'), mask: ip('255.255.255.0') }],
  defaultMode: 'snat',
  outer4: { network: 0, mask: 0xffffffff },
  outer6: { network: 0n, mask: (1n << 128n) - 1n },
  guePort: 6080,
  rememberPerSecond: 0,
  snat: [{ address: SNAT, own: false }],
  portMin: 1024,
  portMax: 1024 + 99,
  extraRecords: 64,
  clientNextHopsFirst: 100,
  clientNextHopsMask: 15,
  hz: HZ,
  timeout: {
    FLOW_FREE: 0,
    FLOW_CLAIMED: seconds(1),
    FLOW_SYN: seconds(10),
    FLOW_ESTABLISHED: seconds(1000),
    FLOW_FIN_CLIENT: seconds(120),
    FLOW_FIN_BACKEND: seconds(120),
    FLOW_CLOSED: seconds(60),
    FLOW_UDP: seconds(30),
    FLOW_UDP_REPLIED: seconds(60),
  },
  rejectPerSecond: 100,
  answerEcho: true,
  answerTtl: true,
  rejectUnknownPort: true,
  rejectNoBackend: true,
  rejectNoFlow: false,
  cpus: 1,
  maxFlows: 1000,
  maxFlows6: 1000,
  maxShared: 1000,
  maxRemembered: 1,
};

/** Everything is one hop away on the device packets come in by. */
export function flatFib(destination: Address): FibAnswer {
  const last = Number(BigInt(destination) & 0xffffffffn);
  return {
    result: 'valid',
    gateway: destination,
    ifindex: INGRESS,
    destinationMac: Uint8Array.of(2, 9, last >>> 24, last >>> 16, last >>> 8, last),
    sourceMac: mac('02:00:00:00:00:01'),
    mtu: 1500,
  };
}

/** A service in SNAT mode. */
export const withTable = (table: OwnerTable | undefined): Service => ({
  generation: 0,
  mode: 'snat',
  table,
  windowStart: 0,
  windowTcp: 0,
  windowUdp: 0,
});

/** TCP 80 (service 1) and UDP 53 (service 2) on one VIP, with the same three backends; TCP 81 has none. */
export function smallWorld(config: Partial<ModelConfig> = {}): ModelState {
  const state = emptyState({ ...CONFIG, ...config }, flatFib);
  state.frontends.set(frontendKey(VIP, 0, 0), 9);
  state.frontends.set(frontendKey(VIP, HTTP, 6), 1);
  state.frontends.set(frontendKey(VIP, DNS, 17), 2);
  state.frontends.set(frontendKey(VIP, 81, 6), 3);
  const slots = Uint16Array.from({ length: 251 }, (_, slot) => slot % BACKENDS.length);
  state.services.set(1, withTable({ slots, block: 8 }));
  state.services.set(2, withTable({ slots, block: 16 }));
  state.services.set(3, withTable(undefined));
  for (const [block, port] of [
    [8, 8080],
    [16, 5353],
  ] as const) {
    BACKENDS.forEach((address, i) => {
      state.nextHops.set(block + i, {
        state: 'NEXT_HOP_UNRESOLVED',
        destinationMac: new Uint8Array(6),
        sourceMac: new Uint8Array(6),
        vlan: 0,
        ifindex: 0,
        refreshed: 0,
        mtu: 0,
        isRouted: false,
        address,
        inUse: false,
        generation: 0,
      });
      state.backends.set(block + i, {
        address,
        port,
        nextHop: block + i,
        generation: 1,
        state: 'BACKEND_ACTIVE',
        service: block / 8,
      });
    });
  }
  return state;
}
