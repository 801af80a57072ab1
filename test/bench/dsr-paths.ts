/** The paths of services in a DSR mode as scenarios. Nothing is kept for a flow but in tracked slots. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { SLOT_TRACKED, SLOTS_PER_LINE, service as serviceLayout } from '../../src/layout/generated.ts';
import { BACKENDS_EACH, type Bed, type BedOptions, TABLE_SIZE } from './bed.ts';
import type { ServiceKind } from './desired.ts';
import type { DsrPath, Flows } from './limits.ts';
import {
  FORWARDED,
  OPENED,
  type PathOptions,
  type PathScenario,
  prover,
  runProved,
  touching,
  wrappers,
} from './paths.ts';
import type { Expected } from './proof.ts';
import { clientTuples, setFlags, TCP_ACK, TCP_SYN } from './tuples.ts';

const KINDS: Readonly<Record<DsrPath, ServiceKind>> = {
  'dsr-ipip': { mode: 'ipip', family: 4, protocol: 'TCP' },
  'dsr-ipip-new': { mode: 'ipip', family: 4, protocol: 'TCP' },
  'dsr-ipip-udp': { mode: 'ipip', family: 4, protocol: 'UDP' },
  'dsr-ipip6': { mode: 'ipip', family: 6, protocol: 'TCP' },
  'dsr-gue': { mode: 'gue', family: 4, protocol: 'TCP' },
  'dsr-l2': { mode: 'l2', family: 4, protocol: 'TCP' },
  'dsr-flooded': { mode: 'ipip', family: 4, protocol: 'TCP' },
  'dsr-tracked': { mode: 'ipip', family: 4, protocol: 'TCP' },
};
const REMEMBERED: Expected = { ...OPENED, allowedEvents: ['EVENT_REMEMBERED'] };

/** The dataplane that a path needs. */
export function dsrBed(path: DsrPath, flows: Flows, services: number): BedOptions {
  const kind = KINDS[path];
  return { services, snatCount: 1, kind, ...(path === 'dsr-tracked' ? { remembered: 2 * flows } : {}) };
}

/** The first service with a table. */
function servedIndex(bed: Bed): number {
  const { view, stride, entries } = bed.maps.arrays.services;
  for (let index = 0; index < entries; index++) {
    if (view.getBigUint64(index * stride + serviceLayout.offsets.table, true) !== 0n) return index;
  }
  throw new Error('no service has a table');
}

/**
 * A window is open, every slot of the service is tracked, and had another owner before; that table lies at
 * the end of the pool, which nobody has taken.
 */
function trackAllSlots(bed: Bed): void {
  const { services, maglev_slots: slots } = bed.maps.arrays;
  const at = servedIndex(bed) * services.stride;
  const service = serviceLayout.read(services.view, at);
  const line = Number(service.table & 0xffffffn);
  const oldestLine = slots.entries - Math.ceil(TABLE_SIZE / SLOTS_PER_LINE);
  for (let n = 0; n < TABLE_SIZE; n++) {
    const place = line * slots.stride + 2 * n;
    const owner = slots.view.getUint16(place, true);
    slots.view.setUint16(oldestLine * slots.stride + 2 * n, (owner + 1) % BACKENDS_EACH, true);
    slots.view.setUint16(place, owner | SLOT_TRACKED, true);
  }
  serviceLayout.write(services.view, at, {
    ...service,
    oldest: (service.table & ~0xffffffn) | BigInt(oldestLine),
    windowStart: bed.dataplane.clock.now(),
    windowTcp: 0x7fffffff,
  });
}

const FLOOD_SYNS = 5_000_000;
const FLOOD_TUPLES = 4_194_304;

/** What remembers flows would be full of them now. */
function floodWithSyns(kernel: Kernel, bed: Bed, options: PathOptions, kind: ServiceKind): void {
  const tuples = clientTuples(bed.frontends, FLOOD_TUPLES);
  const { wrapper, empty } = wrappers(kernel, bed, options, tuples, TCP_SYN, kind);
  runProved(kernel, bed, wrapper, 'SYNs of the flood', FLOOD_SYNS, OPENED);
  for (const each of [empty, wrapper]) each.close();
}

export function dsrScenario(kernel: Kernel, bed: Bed, path: DsrPath, options: PathOptions): PathScenario {
  const { flows } = options;
  const begins = path === 'dsr-ipip-new';
  const tuples = clientTuples(bed.frontends, flows);
  const label = `${path}, ${flows} ${begins ? 'tuples' : 'flows'}, ${bed.services} services`;
  const flags = begins || path === 'dsr-tracked' ? TCP_SYN : TCP_ACK;
  if (path === 'dsr-flooded') floodWithSyns(kernel, bed, options, KINDS[path]);
  const { wrapper, empty } = wrappers(kernel, bed, options, tuples, flags, KINDS[path]);
  if (path === 'dsr-tracked') {
    trackAllSlots(bed);
    runProved(kernel, bed, wrapper, `SYNs for ${label}`, flows, REMEMBERED);
    setFlags(wrapper.tuples, flows, TCP_ACK);
    runProved(kernel, bed, wrapper, `ACKs for ${label}`, flows, FORWARDED);
  }
  return {
    path,
    flows,
    services: bed.services,
    label,
    iterations: options.iterations,
    wrapper,
    empty,
    ...touching(wrapper, path === 'dsr-tracked' ? flows : 1),
    beginProof: prover(kernel, bed, wrapper, begins ? OPENED : FORWARDED),
  };
}
