/** What the agent made for the VIP device, so that cleanup takes away that and nothing else. */
import { type Prefix, parsePrefix } from '../net/prefix.ts';
import { readFileIfThere, writeFileAtomic } from '../node/atomic-file.ts';
import type { NodeIdentity } from '../node/sysctl-record.ts';

export interface VipRecord extends NodeIdentity {
  readonly device: string;
  /** The agent made the device. Written before it does. */
  readonly made: boolean;
  /** `10.1.0.1/24`: put on the device by the agent. */
  readonly addresses: readonly string[];
  /** `10.1.0.0/24` */
  readonly ranges: readonly string[];
}

/** Undefined when there is none, or it is of another boot or network namespace. */
export function readVipRecord(file: string, identity: NodeIdentity): VipRecord | undefined {
  try {
    const record = JSON.parse(readFileIfThere(file) ?? 'null') as VipRecord | null;
    if (record === null || record.boot !== identity.boot || record.namespace !== identity.namespace) {
      return undefined;
    }
    return record;
  } catch {
    return undefined;
  }
}

export function writeVipRecord(file: string, record: VipRecord): void {
  writeFileAtomic(file, `${JSON.stringify(record, null, 2)}\n`);
}

/** The ranges of a record; what cannot be read is left out. */
export function rangesOf({ ranges }: Pick<VipRecord, 'ranges'>): Prefix[] {
  return ranges.flatMap((text) => parsePrefix(text) ?? []);
}
