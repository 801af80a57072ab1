/** The keys of the configuration of a worker (`role: node`). docs/node.md explains them; a test compares the two. */
import { z } from 'zod';
import { tunnelSource } from './address-fields.ts';
import { integer, oneOf } from './config-fields.ts';
import { configSchema, workerSource } from './config-schema.ts';

const { shape } = configSchema;

export const nodeConfigSchema = z.strictObject({
  role: oneOf(['lb', 'node']),
  node: shape.node,
  runtimeDirectory: shape.runtimeDirectory,
  bpfDirectory: shape.bpfDirectory,
  api: shape.api,
  metrics: shape.metrics,
  source: workerSource,
  vips: z.strictObject({ ranges: shape.vips.shape.ranges }),
  devices: shape.devices,
  tunnel: z.strictObject({
    sources: z.array(tunnelSource()).min(1).max(32).meta({ allowed: 'a list of 1 to 32 addresses or CIDRs' }),
    guePort: integer(1, 65_535).default(6_080),
  }),
  endpoints: oneOf(['local', 'all']).default('local'),
  timeouts: shape.timeouts,
  limits: z
    .strictObject({
      // 48 bytes of a place and about 100 of a hash entry each.
      flows: integer(1_024, 16_777_216).default(262_144),
      targets: integer(64, 1_048_576).default(65_536),
    })
    .prefault({}),
  log: shape.log,
});

/** A configuration whose every value is fine by itself. */
export type ParsedNodeConfig = z.output<typeof nodeConfigSchema>;
