/** What runs inside the VM: named checks on a bed that they share, because building it takes most of the time. */

/** Numbers worth recording, by name. */
export type Facts = Readonly<Record<string, number>>;

export interface Check<Bed> {
  /** Unique among all checks. */
  readonly name: string;
  /** Throws when it fails. Checks run in their order and leave the bed usable for the next one. */
  readonly run: (bed: Bed) => Promise<Facts | undefined>;
}

/** A check's outcome, as one line of JSON from the VM. */
export interface CheckResult {
  readonly check: string;
  /** What went wrong; absent when it passed. */
  readonly error?: string;
  readonly facts?: Facts;
  readonly milliseconds: number;
}

/** Runs all of them whatever fails, and reports each as it ends. */
export async function runChecks<Bed>(
  checks: ReadonlyArray<Check<Bed>>,
  bed: Bed,
  report: (result: CheckResult) => void,
): Promise<void> {
  for (const { name, run } of checks) {
    const start = Date.now();
    try {
      const facts = await run(bed);
      report({ check: name, milliseconds: Date.now() - start, ...(facts === undefined ? {} : { facts }) });
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      report({ check: name, milliseconds: Date.now() - start, error: text });
    }
  }
}

/**
 * Reads what the VM reported. A line that is cut short, because the machine died on it, is no result: the
 * check that it belongs to counts as not run.
 */
export function parseResults(text: string): Map<string, CheckResult> {
  const results = new Map<string, CheckResult>();
  for (const line of text.split('\n')) {
    try {
      const result = JSON.parse(line) as CheckResult | null;
      if (typeof result?.check === 'string') results.set(result.check, result);
    } catch {}
  }
  return results;
}
