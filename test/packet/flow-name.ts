/** Reads the model's names of flows, which say all that there is to say. */
import type { Address } from '../model/bytes.ts';
import type { FlowTuple } from '../model/choose-backend.ts';
import { protocolOf } from '../model/state.ts';

/** An address as names of the model have it. */
export const addressIn = (text = '0'): Address => (text.startsWith('0x') ? BigInt(text) : Number(text));

/** The client's tuple of a name that `flowKey` made; undefined: it is none. */
export function endsOf(name: unknown): FlowTuple | undefined {
  const parts = String(name).match(/^(\w+):(\d+)>(\w+):(\d+)\/(\d+)$/);
  if (parts === null) return undefined;
  const [source, destination] = [addressIn(parts[1]), addressIn(parts[3])];
  const [sourcePort = 0, destinationPort = 0, protocol = 0] = [parts[2], parts[4], parts[5]].map(Number);
  return { source, sourcePort, destination, destinationPort, protocol: protocolOf(protocol) };
}
