/** What an agent could answer; the examples in docs/lbctl.md are made from it too. */
import type {
  BackendView,
  ConnectionView,
  MaglevView,
  ServiceView,
  StatsView,
  StatusView,
  TrafficView,
} from '../../../src/api/types.ts';

/** The moment all fixtures are seen at. */
export const NOW = Date.parse('2025-06-01T12:00:00Z');

export function traffic(packets: number, flows = 0): TrafficView {
  return {
    packetsIn: packets,
    bytesIn: packets * 80,
    packetsOut: packets * 2,
    bytesOut: packets * 1500,
    flows,
  };
}

export function backend(address: string, more: Partial<BackendView> = {}): BackendView {
  return {
    index: 0,
    address,
    port: 53,
    state: 'active',
    weight: 1,
    slots: 0,
    share: 0,
    nextHop: 'valid',
    activeFlows: 0,
    traffic: traffic(0),
    ...more,
  };
}

export function service(more: Partial<ServiceView> = {}): ServiceView {
  const merged: ServiceView = {
    id: 1,
    vip: '10.1.0.2',
    port: 53,
    protocol: 'UDP',
    frontend: '',
    type: 'ExternalIPs',
    namespace: 'default',
    name: 'dns',
    mode: 'snat',
    tableSize: 4099,
    backends: [],
    activeFlows: 0,
    traffic: traffic(0),
    drops: {},
    ...more,
  };
  return { ...merged, frontend: more.frontend ?? `${merged.vip}:${merged.port}/${merged.protocol}` };
}

export const services: ServiceView[] = [
  service({
    id: 64,
    vip: '10.1.0.10',
    port: 443,
    protocol: 'TCP',
    type: 'LoadBalancer',
    namespace: 'shop',
    name: 'web',
    portName: 'https',
    backends: [
      backend('192.168.1.20', {
        index: 130,
        port: 8443,
        weight: 3,
        slots: 3074,
        share: 3074 / 4099,
        target: 'shop/web-7d4b9-x2x8p',
        node: 'worker-1',
        activeFlows: 1480,
        traffic: traffic(1_234_567, 20_500),
      }),
      backend('192.168.1.21', {
        index: 131,
        port: 8443,
        weight: 1,
        slots: 1025,
        share: 1025 / 4099,
        target: 'shop/web-7d4b9-k9mzr',
        node: 'worker-2',
        nextHop: 'unresolved',
        activeFlows: 492,
        traffic: traffic(411_520, 6_811),
      }),
      backend('192.168.1.22', {
        index: 132,
        port: 8443,
        state: 'draining',
        reason: 'terminating',
        weight: 0,
        target: 'shop/web-7d4b9-l0pqa',
        node: 'worker-3',
        activeFlows: 17,
        traffic: traffic(90_210, 1_700),
      }),
    ],
    activeFlows: 1989,
    traffic: traffic(1_736_297, 29_011),
    drops: { 'no-flow': 31, 'snat-exhausted': 0 },
  }),
  service({
    id: 62,
    backends: [
      backend('192.168.1.234', {
        index: 128,
        slots: 2050,
        share: 2050 / 4099,
        target: 'default/dns-0',
        node: 'worker-1',
        activeFlows: 12,
        traffic: traffic(45_102, 44_000),
      }),
      backend('192.168.2.172', {
        index: 129,
        slots: 2049,
        share: 2049 / 4099,
        target: 'default/dns-1',
        node: 'worker-2',
        activeFlows: 9,
        traffic: traffic(44_987, 43_870),
      }),
    ],
    activeFlows: 21,
    traffic: traffic(90_089, 87_870),
  }),
  service({
    id: 65,
    vip: '10.1.0.11',
    port: 80,
    protocol: 'TCP',
    namespace: 'shop',
    name: 'staging',
    drops: { 'no-backend': 7 },
  }),
];

export const connections: ConnectionView[] = [
  {
    protocol: 'TCP',
    client: '203.0.113.7:51514',
    frontend: '10.1.0.10:443/TCP',
    snat: '10.2.0.16:20001',
    backend: '192.168.1.20:8443',
    state: 'established',
    idleSeconds: 3,
    expiresInSeconds: 7797,
    service: 'shop/web',
  },
  {
    protocol: 'TCP',
    client: '203.0.113.70:40022',
    frontend: '10.1.0.10:443/TCP',
    snat: '10.2.0.16:20002',
    backend: '192.168.1.21:8443',
    state: 'closed',
    idleSeconds: 41,
    expiresInSeconds: 19,
    service: 'shop/web',
  },
  {
    protocol: 'UDP',
    client: '198.51.100.9:33333',
    frontend: '10.1.0.2:53/UDP',
    snat: '10.2.0.17:1024',
    backend: '192.168.1.234:53',
    state: 'udp-replied',
    idleSeconds: 0,
    expiresInSeconds: 120,
    service: 'default/dns',
  },
];

export const stats: StatsView = {
  drops: [
    { reason: 'truncated', packets: 0, bytes: 0, help: 'The packet is shorter than its headers say.' },
    {
      reason: 'unknown-port',
      packets: 1_502,
      bytes: 66_088,
      help: 'The VIP is served, this port is not. Scans do this; else check the ports of the Service.',
    },
    {
      reason: 'no-flow',
      packets: 31,
      bytes: 1_240,
      help: 'TCP without SYN and without a known flow: older than its timeout, or from another node.',
    },
    {
      reason: 'no-backend',
      packets: 7,
      bytes: 420,
      help: 'The service has no backend for new flows: check its EndpointSlices.',
    },
  ],
  events: [
    { event: 'echo-answered', packets: 60, bytes: 5_040, help: 'Pings of a VIP that were answered.' },
    { event: 'snat-shared', packets: 0, bytes: 0, help: 'Flows on a port that another flow uses too.' },
  ],
  services: services.map(({ frontend, namespace, name, traffic: counted, drops }) => ({
    frontend,
    name: `${namespace}/${name}`,
    traffic: counted,
    drops,
  })),
};

export const maglevTables: Readonly<Record<string, MaglevView>> = Object.fromEntries(
  services.map((view) => {
    const active = view.backends.filter(({ weight }) => weight > 0);
    const sum = active.reduce((total, { weight }) => total + weight, 0);
    const table: MaglevView = {
      frontend: view.frontend,
      name: `${view.namespace}/${view.name}`,
      tableSize: view.tableSize,
      fingerprint: `9f2c41d07be6${String(view.id).padStart(4, '0')}`,
      backends: active.map(({ address, port, weight, slots, share }) => ({
        address,
        port,
        weight,
        slots,
        share,
        wanted: (view.tableSize * weight) / sum,
      })),
    };
    return [view.frontend, table];
  }),
);

export const status: StatusView = {
  node: 'lb-1',
  version: '0.1.0',
  agent: 'running',
  pid: 812,
  startedAt: '2025-06-01T08:47:30Z',
  health: 'ok',
  hashSeedFingerprint: '5be0cd19137e2179',
  layoutVersion: 2,
  devices: [
    { name: 'eth0', mode: 'xdp', attached: true, programId: 41 },
    { name: 'eth1', mode: 'tc', attached: false, programId: null },
  ],
  vip: { device: 'lb-vip0', up: true, addresses: ['10.1.0.1/24'], announce: 'yes' },
  source: {
    kind: 'manifests',
    location: '/etc/l4lb/manifests',
    synced: true,
    lastChangeAt: '2025-06-01T11:55:00Z',
    objects: 7,
  },
  services: 3,
  backends: 5,
  activeFlows: 2010,
  snat: { addresses: ['10.2.0.16', '10.2.0.17'], ports: '1024-65535', records: 196_608, used: 2_301 },
  memory: { mapsBytes: 134_217_728 },
  problems: [
    {
      severity: 'warning',
      code: 'no-endpoints',
      message: 'Service shop/staging has no endpoints: its VIP answers with reject. Create an EndpointSlice.',
      object: { kind: 'Service', namespace: 'shop', name: 'staging' },
    },
    {
      severity: 'error',
      code: 'yaml-syntax',
      message: 'A mapping value is not allowed here. Correct the file; the former state stays.',
      file: '/etc/l4lb/manifests/blog.yaml',
      line: 12,
    },
  ],
};
