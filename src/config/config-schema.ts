/** The keys of the configuration file. docs/configuration.md explains them; a test compares the two. */
import { z } from 'zod';
import { BACKEND_KINDS, SERVICE_MODES, TABLE_SIZES } from '../services/desired-state.ts';
import { addressRange, addressSpan, outerSource, ownAddresses, vipRange } from './address-fields.ts';
import {
  absolutePath,
  deviceName,
  duration,
  flag,
  integer,
  integerRoundedUp,
  listenAddress,
  namespace,
  nodeName,
  objectName,
  oneNumberOf,
  oneOf,
  portRange,
  powerOfTwoRoundedUp,
  socketPath,
} from './config-fields.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/**
 * The packet path notes a flow's last packet once a second, so a shorter time would end living flows;
 * ages are 32-bit jiffies compared modulo 2^32, which holds to 24 days at 1,000 Hz.
 */
const timeout = (): ReturnType<typeof duration> => duration(2 * SECOND, 168 * HOUR);

/** Windows are compared like timeouts; none at all is possible. */
const windowLength = (): ReturnType<typeof duration> => duration(0, 168 * HOUR);

const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape);

const sourceKeys = {
  kind: oneOf(['manifests', 'kubernetes']).default('manifests'),
  manifests: absolutePath().default('/etc/l4lb/manifests'),
  kubeconfig: absolutePath('none: the identity of the pod').optional(),
  namespaces: z
    .array(namespace())
    .max(64)
    .meta({ allowed: 'a list of at most 64 namespaces', defaultText: 'none: all of the cluster' })
    .default([]),
  secondLook: duration(0, HOUR).prefault('5s'),
};

/** Of a worker, which sends nothing to node ports. */
export const workerSource = section(sourceKeys).prefault({});

export const configSchema = section({
  role: oneOf(['lb', 'node']).default('lb'),
  node: nodeName("`L4LB_NODE` of the environment, else the machine's host name").optional(),
  runtimeDirectory: absolutePath().default('/run/l4lb'),
  bpfDirectory: absolutePath().default('/sys/fs/bpf/l4lb'),
  api: section({ socket: socketPath('`<runtimeDirectory>/agent.sock`').optional() }).prefault({}),
  metrics: section({ listen: listenAddress('none: no TCP listener').optional() }).prefault({}),
  source: section({
    ...sourceKeys,
    nodes: flag().meta({ defaultText: '`true` with `backends: node-ports`, else `false`' }).optional(),
  }).prefault({}),
  vips: section({
    ranges: z.array(vipRange()).min(1).max(16).meta({ allowed: 'a list of 1 to 16 CIDRs' }),
    device: section({
      name: deviceName().default('lb-vip0'),
      kind: oneOf(['dummy', 'ifb', 'existing']).default('dummy'),
    }).prefault({}),
    echo: flag().default(true),
  }),
  devices: z
    .array(section({ name: deviceName(), attach: oneOf(['xdp', 'xdp-generic', 'tc']).default('xdp') }))
    .min(1)
    .max(64)
    .meta({ allowed: 'a list of 1 to 64 devices such as { name: eth0, attach: xdp }' }),
  snat: section({
    addresses: z
      .array(addressRange())
      .min(1)
      .max(256)
      .meta({ allowed: 'a list of addresses, CIDRs or first-last ranges', defaultText: 'none' })
      .optional(),
    own: ownAddresses().meta({ defaultText: 'none' }).optional(),
    ports: portRange('`1024-65535`; with `own`: `61000-65535`').optional(),
    sharedFlows: integer(0, 4_194_304).default(65_536),
  }).optional(),
  backends: oneOf(BACKEND_KINDS).default('pods'),
  mode: oneOf(SERVICE_MODES).default('snat'),
  dsr: section({
    source: z
      .array(outerSource())
      .max(2)
      .meta({ allowed: 'a list of at most one address or CIDR of each family', defaultText: 'none' })
      .prefault([]),
    guePort: integer(1, 65_535).default(6_080),
    window: section({
      tcp: windowLength().prefault('15m'),
      udp: windowLength().prefault('30s'),
    }).prefault({}),
    rememberedFlows: integer(1, 16_777_216).default(65_536),
    rememberPerSecond: integer(1, 1_000_000).default(1_000),
  }).optional(),
  hash: section({
    seedFile: absolutePath('none: a seed is made once and kept').optional(),
    nodes: integer(1, 1_024).default(1),
  }).prefault({}),
  maglev: section({ slots: oneNumberOf(TABLE_SIZES).default(4_099) }).prefault({}),
  timeouts: section({
    tcpSyn: timeout().prefault('30s'),
    tcpEstablished: timeout().prefault('2h10m'),
    tcpHalfClosed: timeout().prefault('2m'),
    tcpClosed: timeout().prefault('60s'),
    udp: timeout().prefault('30s'),
    udpReplied: timeout().prefault('2m'),
  }).prefault({}),
  reject: section({
    unknownPort: flag().default(true),
    noBackend: flag().default(true),
    noFlow: flag().default(true),
    perSecond: integer(1, 1_000_000).default(1_000),
  }).prefault({}),
  limits: section({
    // A flow record names its service by 16 bits.
    services: integer(1, 65_535).default(4_096),
    // The table word names a block of backends by 24 bits; a million entries are 32 MiB.
    backends: integer(1, 1_048_576).default(16_384),
    // A line holds 32 slots, the table word names a line by 24 bits.
    slots: integerRoundedUp(512, 2 ** 24 * 32, 32).default(2 ** 24),
    // A flow record names its next hop by 16 bits; programs index their region by a mask.
    nextHops: powerOfTwoRoundedUp(64, 65_536).default(4_096),
  }).prefault({}),
  controller: section({
    enabled: flag().default(false),
    pools: z
      .array(
        section({
          name: objectName(),
          addresses: z.array(addressSpan()).min(1).max(64).meta({
            allowed: 'a list of 1 to 64 addresses, CIDRs or first-last ranges',
          }),
          automatic: flag().default(true),
        }),
      )
      .max(64)
      .meta({ allowed: 'a list of at most 64 pools such as { name: public, addresses: [10.1.0.16/28] }' })
      .default([]),
    withoutClass: flag().default(false),
    lease: section({
      namespace: namespace().default('kube-system'),
      name: objectName().default('l4lb-controller'),
      // Others wait for this long after the last word of a leader that is dead.
      duration: duration(3 * SECOND, 300 * SECOND).prefault('15s'),
    }).prefault({}),
  }).prefault({}),
  log: section({
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  }).prefault({}),
});

/** A configuration whose every value is fine by itself. */
export type ParsedConfig = z.output<typeof configSchema>;
