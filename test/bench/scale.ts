/** What a thousand services cost the agent: time, memory, maps. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { BACKENDS_EACH, openEmptyBed, TABLE_SIZE } from './bed.ts';
import { desiredServices, withoutBackend } from './desired.ts';
import { LAYOUT } from './namespace.ts';
import type { ScaleResult } from './report.ts';
import { spreadOf, tenth } from './statistics.ts';

const SERVICES = 1000;

/** Bytes of the BPF maps with these numbers, by what the kernel charges for them. */
export function mapBytes(fdinfo: readonly string[], counted = new Set<string>()): number {
  let bytes = 0;
  for (const text of fdinfo) {
    const id = /^map_id:\s*(\d+)$/m.exec(text)?.[1];
    if (id === undefined || counted.has(id)) continue;
    counted.add(id);
    bytes += Number(/^memlock:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
  }
  return bytes;
}

/** What is known of this process's descriptors. */
function ownFdinfo(): string[] {
  return readdirSync('/proc/self/fdinfo').flatMap((fd) => {
    try {
      return [readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')];
    } catch {
      return []; // the descriptor of the directory itself is gone by now
    }
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - from) / 1e6;
}

export async function measureScale(kernel: Kernel, quick: boolean): Promise<ScaleResult> {
  const others = new Set<string>();
  mapBytes(ownFdinfo(), others);
  const rssBefore = process.memoryUsage.rss();
  const bed = await openEmptyBed(kernel, { services: SERVICES, snatCount: 1 });
  try {
    const { backendNetwork, backendHosts } = LAYOUT;
    const state = desiredServices(SERVICES, BACKENDS_EACH, TABLE_SIZE, backendNetwork, backendHosts);
    const applied = await timed(async () => {
      const report = await bed.dataplane.apply(state);
      if (report.created !== SERVICES) throw new Error(`${report.created} of ${SERVICES} services made`);
    });
    const rss = process.memoryUsage.rss() - rssBefore;
    const changes: number[] = [];
    for (let n = 0; n < (quick ? 4 : 40); n++) {
      const next = n % 2 === 0 ? withoutBackend(state, 500) : state;
      changes.push(
        await timed(async () => {
          const { changed } = await bed.dataplane.apply(next);
          if (changed !== 1) throw new Error(`one backend changed, but ${changed} services were`);
        }),
      );
    }
    const change = spreadOf(changes);
    return {
      services: SERVICES,
      backends_per_service: BACKENDS_EACH,
      apply_ms: tenth(applied),
      change_ms: { median: tenth(change.median), min: tenth(change.min), max: tenth(change.max) },
      agent_rss_mib: tenth(rss / 2 ** 20),
      maps_bytes: mapBytes(ownFdinfo(), others),
    };
  } finally {
    await bed.close();
  }
}
