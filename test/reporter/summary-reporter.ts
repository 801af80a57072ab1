import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';
import { summarize, type TestOutcome } from './summary.ts';

/** Ends a run with `N passed, N failed`, and fails it for what the line counts as failed. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const outcomes = modules.flatMap((module) => Array.from(module.children.allTests(), outcomeOf));
    const errors = [
      ...modules.flatMap((module) => errorsOf(module)),
      ...unhandled.map((error) => error.message),
    ];
    const { remarks, line, failed } = summarize(outcomes, errors);
    for (const remark of remarks) console.log(remark);
    console.log(line);
    if (failed > 0) process.exitCode = 1;
  }
}

function outcomeOf(test: TestCase): TestOutcome {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return { name: test.fullName, state: result.state, note };
}

/** Errors of the file and of its suites' hooks. */
function errorsOf(module: TestModule): string[] {
  const suites = Array.from(module.children.allSuites());
  return [module, ...suites].flatMap((task) =>
    task.errors().map((error) => `${module.moduleId}: ${error.message}`),
  );
}
