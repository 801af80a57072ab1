/** Flows as the API shows them: what the records say, one after the other. */
import type { ConnectionView } from '../../api/types.ts';
import {
  backend as backendLayout,
  flowFlag,
  flowRecord,
  flowState,
  flowStateNames,
} from '../../layout/generated.ts';
import { addressOfWords, formatEndpoint, parseAddress, readAddress } from '../../net/address.ts';
import { addressAfter } from '../../net/prefix.ts';
import { formatKey, protocolName } from '../frontend-key.ts';
import type { ServiceNames } from '../service-names.ts';
import { plainName } from './counter-help.ts';
import { isExpired } from './flow-counts.ts';
import { rememberedViews } from './remembered-views.ts';
import type { InspectionContext } from './snapshot.ts';

/** Flows in SNAT mode that are alive or hold their port, and remembered ones of DSR services. A record that changes meanwhile may be shown half old. */
export function* connectionViews(context: InspectionContext): Generator<ConnectionView> {
  const { maps, clock, names } = context;
  const { view, memory, stride, entries } = maps.arrays.flow_records;
  const { state, seen } = flowRecord.offsets;
  const stored = names();
  const now = clock.now();
  for (let at = 0; at < entries * stride; at += stride) {
    const flow = memory[at + state] as number;
    if (flow === flowState.FLOW_FREE || flow === flowState.FLOW_CLAIMED) continue;
    const timeout = stored.timeouts[flow];
    const last = view.getUint32(at + seen, true);
    if (isExpired(last, timeout, now)) continue;
    // The clock was read before the walk: a packet that came since is as old as none.
    const age = Math.max(0, (now - last) | 0);
    const left = timeout === undefined ? 0 : timeout - age;
    yield connectionView(maps, stored, at, flow, age / stored.hz, left / stored.hz);
  }
  yield* rememberedViews(context);
}

function connectionView(
  maps: InspectionContext['maps'],
  names: ServiceNames,
  at: number,
  state: number,
  idle: number,
  left: number,
): ConnectionView {
  const { backends, flow_records: records } = maps.arrays;
  const record = flowRecord.read(records.view, at);
  const { addr, port, family } = backendLayout.offsets;
  const flowFamily = (record.flags & flowFlag.FLOW_F_V6) === 0 ? 4 : 6;
  const entry = record.backend * backends.stride;
  const isThere = record.backend < backends.entries;
  const backend = isThere
    ? formatEndpoint(
        readAddress(backends.view, entry + addr, backends.view.getUint8(entry + family)),
        backends.view.getUint16(entry + port, false),
      )
    : '';
  const frontend = formatKey({
    vip: addressOfWords(record.vip, flowFamily),
    port: record.vipPort,
    protocol: record.protocol,
  });
  const service = names.frontend(frontend);
  return {
    protocol: protocolName(record.protocol),
    client: formatEndpoint(addressOfWords(record.client, flowFamily), record.clientPort),
    frontend,
    snat: snatEndpoint(names, record.snatIndex, record.snatPort),
    backend,
    state: plainName(flowStateNames[state] ?? ''),
    idleSeconds: Math.floor(idle),
    expiresInSeconds: Math.max(0, Math.ceil(left)),
    service: service === undefined ? '' : `${service.namespace}/${service.name}`,
  };
}

function snatEndpoint(names: ServiceNames, index: number, port: number): string {
  let left = index;
  for (const { first, count } of names.snat) {
    const address = left < count ? parseAddress(first) : undefined;
    if (address !== undefined) return formatEndpoint(addressAfter(address, left), port);
    left -= count;
  }
  return `#${index}:${port}`;
}
