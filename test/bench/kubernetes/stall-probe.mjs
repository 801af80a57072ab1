// Loaded into the agent before anything of it: writes, ten times a second, when it is and the longest
// stall of the event loop since the last line, both in milliseconds. A stall ends before it is written.
import { openSync, writeSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION = 5;
const file = openSync(process.env.L4LB_STALL_FILE, 'a');
const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
delays.enable();
setInterval(() => {
  const stall = Math.max(0, delays.max / 1e6 - RESOLUTION);
  delays.reset();
  writeSync(file, `${Date.now()} ${stall.toFixed(1)}\n`);
}, 100).unref();
