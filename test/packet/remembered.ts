/** Remembered flows as the maps have them, in the model's words. */
import {
  addressFamily,
  flowKey4,
  flowKey6,
  rememberedFlow as rememberedLayout,
} from '../../src/layout/generated.ts';
import { type FlowState, flowKey } from '../model/state.ts';
import type { RememberedFlow } from '../model/tracked.ts';
import type { Bed } from './bed.ts';
import { addressOf, flowStateNames } from './maps-to-model.ts';

/** By the model's key of the flow. */
export function readRemembered(bed: Bed, family: 4 | 6): Map<string, RememberedFlow> {
  const entries = bed.kernel.entries(bed.map(`remembered${family}`));
  return new Map(
    entries.map(({ key, value }) => {
      const { backend, backendGeneration, state, isn, seen } = rememberedLayout.decode(value);
      const flow = {
        backend,
        generation: backendGeneration,
        state: flowStateNames.get(state) as FlowState,
        isn: fromWire(isn),
        seen,
      };
      return [family === 4 ? nameOf4(key) : nameOf6(key), flow];
    }),
  );
}

function nameOf4(key: Uint8Array): string {
  const { client, vip, clientPort, vipPort, protocol } = flowKey4.decode(key);
  return flowKey(client, vip, clientPort, vipPort, protocol);
}

function nameOf6(key: Uint8Array): string {
  const { client, vip, clientPort, vipPort, protocol } = flowKey6.decode(key);
  const { FAMILY_V6 } = addressFamily;
  return flowKey(addressOf(client, FAMILY_V6), addressOf(vip, FAMILY_V6), clientPort, vipPort, protocol);
}

/** Loaded on a little-endian machine. */
function fromWire(word: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(word);
  return bytes.readUInt32BE(0);
}
