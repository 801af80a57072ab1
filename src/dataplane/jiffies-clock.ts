/** The kernel's jiffies, which all ages in the maps are in, and how many of them a second has. */
import type { Kernel, LoadedObject } from '../kernel/kernel.ts';
import type { JiffiesClock } from './next-hop-table.ts';

/** The values that CONFIG_HZ can have. */
const POSSIBLE_HZ = [100, 250, 300, 1000] as const;
const MEASURE_MS = 150;
const MOST_TRIES = 8;

/** Timing of a measurement; real time unless a test says otherwise. */
export interface MeasureTime {
  /** Milliseconds, monotonic. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

const realTime: MeasureTime = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

export interface OpenClock extends JiffiesClock {
  close(): void;
}

/**
 * Loads the clock program and, unless hz is known, measures for about 0.15 s. objectPath: clock.bpf.o.
 * Throws when the measurement fits no possible value.
 */
export async function openJiffiesClock(
  kernel: Pick<Kernel, 'loadObject' | 'testRun'>,
  objectPath: string,
  hz?: number,
): Promise<OpenClock> {
  const object: LoadedObject = kernel.loadObject({ objectPath, programName: 'read_clock' });
  const frame = new Uint8Array(64);
  const now = () => kernel.testRun(object.programFd, { data: frame }).returnValue >>> 0;
  try {
    return { hz: hz ?? (await measureHz(now, realTime)), now, close: () => object.close() };
  } catch (error) {
    object.close();
    throw error;
  }
}

/** now: low 32 bits of jiffies. */
export async function measureHz(now: () => number, time: MeasureTime): Promise<number> {
  let rate = 0;
  let sleep = MEASURE_MS;
  for (let tries = 0; tries < MOST_TRIES; tries++, sleep *= 1.5) {
    const started = time.now();
    const first = now();
    await time.sleep(sleep);
    const ticks = (now() - first) >>> 0;
    rate = (ticks * 1000) / (time.now() - started);
    const nearest = nearestHz(rate);
    if (Math.abs(rate - nearest) <= nearest * 0.05) return nearest;
  }
  throw new Error(
    `the kernel's clock seems to tick ${rate.toFixed(1)} times a second, expected is one of ${POSSIBLE_HZ.join(', ')}`,
  );
}

function nearestHz(rate: number): number {
  return POSSIBLE_HZ.reduce((best, hz) => (Math.abs(hz - rate) < Math.abs(best - rate) ? hz : best));
}
