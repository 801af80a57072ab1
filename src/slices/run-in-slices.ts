/** Long work in short pieces, so that whatever else this process does gets a turn. */

/** Milliseconds at a time; packets do not wait for us, but requests and watches do. */
const SLICE_MS = 10;

/** Resolves when whatever else is due has had its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Runs a generator to its end. Each `yield` is a place where it may pause: what it works on must bear that
 * other code runs there.
 */
export async function runInSlices<T>(work: Generator<void, T>, slice: number = SLICE_MS): Promise<T> {
  for (;;) {
    const until = performance.now() + slice;
    do {
      const step = work.next();
      if (step.done === true) return step.value;
    } while (performance.now() < until);
    await turn();
  }
}

/** What a generator has to give, with pauses between; whoever takes it may be slow, or stop early. */
export async function* inSlices<T>(work: Iterable<T>, slice: number = SLICE_MS): AsyncGenerator<T, void> {
  let until = performance.now() + slice;
  for (const each of work) {
    yield each;
    if (performance.now() < until) continue;
    await turn();
    until = performance.now() + slice;
  }
}

/** The same without a pause. */
export function runAtOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
