/** What is remembered of flows in tracked slots, as the API shows it. */

import type { ConnectionView, MaglevView } from '../../api/types.ts';
import { ageOf } from '../../consistency/settle-window.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  backend as backendLayout,
  flowKey4,
  flowKey6,
  flowState,
  flowStateNames,
  KEY_OF_CLIENT,
  rememberedFlow,
} from '../../layout/generated.ts';
import { formatAddress, formatEndpoint, readAddress } from '../../net/address.ts';
import type { ActualService } from '../actual-state.ts';
import { formatKey, protocolName } from '../frontend-key.ts';
import type { DataplaneMaps } from '../maps.ts';
import type { JiffiesClock } from '../next-hop-table.ts';
import { tableSlots } from '../table-word.ts';
import { plainName } from './counter-help.ts';
import type { InspectionContext } from './snapshot.ts';

/** Flows that are remembered, and clients of services with affinity (without a port). */
export function* rememberedViews({
  kernel,
  maps,
  clock,
  names,
}: InspectionContext): Generator<ConnectionView> {
  const stored = names();
  for (const [map, family, layout] of [
    [maps.others.remembered4, 4, flowKey4],
    [maps.others.remembered6, 6, flowKey6],
  ] as const) {
    for (const { keys, values, count } of kernel.batches(map)) {
      const now = clock.now();
      const key = new DataView(keys.buffer, keys.byteOffset, keys.length);
      for (let i = 0; i < count; i++) {
        const at = i * map.keySize;
        const { offsets } = layout;
        const keyed = key.getUint32(at + offsets.protocol, true);
        const isClient = (keyed & KEY_OF_CLIENT) !== 0;
        const protocol = keyed & ~KEY_OF_CLIENT;
        const vip = readAddress(key, at + offsets.vip, family);
        const frontend = formatKey({ vip, port: key.getUint16(at + offsets.vipPort, false), protocol });
        const client = readAddress(key, at + offsets.client, family);
        const port = key.getUint16(at + offsets.clientPort, false);
        const flow = rememberedFlow.decode(values.subarray(i * map.valueSize, (i + 1) * map.valueSize));
        const idle = ageOf(now, flow.seen);
        const timeout = stored.timeouts[isClient ? flowState.FLOW_ESTABLISHED : flow.state] ?? 0;
        const service = stored.frontend(frontend);
        yield {
          protocol: protocolName(protocol),
          client: isClient ? formatAddress(client) : formatEndpoint(client, port),
          frontend,
          snat: '',
          backend: backendName(maps, flow.backend, flow.backendGeneration),
          state: isClient ? 'client' : plainName(flowStateNames[flow.state] ?? ''),
          idleSeconds: Math.floor(idle / stored.hz),
          expiresInSeconds: Math.max(0, Math.ceil((timeout - idle) / stored.hz)),
          service: service === undefined ? '' : `${service.namespace}/${service.name}`,
          remembered: true,
        };
      }
    }
  }
}

function backendName(maps: DataplaneMaps, index: number, generation: number): string {
  const { view, stride, entries } = maps.arrays.backends;
  const at = index * stride;
  const { addr, port, family, generation: life } = backendLayout.offsets;
  if (index >= entries || view.getUint16(at + life, true) !== generation) return 'gone';
  return formatEndpoint(
    readAddress(view, at + addr, view.getUint8(at + family)),
    view.getUint16(at + port, false),
  );
}

/** Undefined: all slots are ordinary ones. May pause: it looks at all flows that are remembered. */
export function* windowView(
  kernel: Pick<Kernel, 'batches'>,
  { maps, clock }: { readonly maps: DataplaneMaps; readonly clock: JiffiesClock },
  { key, window }: ActualService,
): Generator<void, MaglevView['window']> {
  if (window.tracked === 0 && window.oldest.sizeClass === 0) return undefined;
  const left = window.length - ageOf(clock.now(), window.start);
  const isOpen = window.oldest.sizeClass !== 0 && left >= 0;
  let remembered = 0;
  const frontend = formatKey(key);
  for (const each of rememberedFrontends(kernel, maps)) {
    if (each === frontend) remembered += 1;
    yield;
  }
  return {
    open: isOpen,
    endsInSeconds: isOpen ? Math.ceil(left / clock.hz) : 0,
    trackedSlots: window.tracked,
    oldestTableSize: tableSlots(window.oldest),
    rememberedFlows: remembered,
  };
}

function* rememberedFrontends(kernel: Pick<Kernel, 'batches'>, maps: DataplaneMaps): Generator<string> {
  for (const [map, family, { offsets }] of [
    [maps.others.remembered4, 4, flowKey4],
    [maps.others.remembered6, 6, flowKey6],
  ] as const) {
    for (const { keys, count } of kernel.batches(map)) {
      const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
      for (let at = 0; at < count * map.keySize; at += map.keySize) {
        yield formatKey({
          vip: readAddress(view, at + offsets.vip, family),
          port: view.getUint16(at + offsets.vipPort, false),
          protocol: view.getUint32(at + offsets.protocol, true) & ~KEY_OF_CLIENT,
        });
      }
    }
  }
}
