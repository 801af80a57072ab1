/** Counts a test run into the one line that ends it. Pure. */

export interface TestOutcome {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  /** Why it was skipped. */
  readonly note?: string | undefined;
}

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One for each skipped test, and for each failure that is no test's own. */
  readonly remarks: readonly string[];
  /** `3 passed, 0 failed`, and `, 1 skipped` if any. */
  readonly line: string;
}

/**
 * A test that was skipped without a reason, or never came to an end, counts as failed. `errors` are failures
 * outside of tests: files that cannot be loaded, rejections that nobody handled.
 */
export function summarize(outcomes: readonly TestOutcome[], errors: readonly string[] = []): Summary {
  const remarks = errors.map((error) => `failed outside of a test: ${error}`);
  let passed = 0;
  let failed = errors.length;
  let skipped = 0;
  for (const { name, state, note } of outcomes) {
    if (state === 'passed') passed++;
    else if (state === 'skipped' && note) {
      skipped++;
      remarks.push(`skipped: ${name}: ${note}`);
    } else {
      failed++;
      if (state === 'skipped') remarks.push(`failed: ${name}: skipped without a reason`);
      if (state === 'pending') remarks.push(`failed: ${name}: did not end`);
    }
  }
  if (passed + failed + skipped === 0) {
    failed = 1;
    remarks.push('failed: no test was found');
  }
  const line = `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`;
  return { passed, failed, skipped, remarks, line };
}
