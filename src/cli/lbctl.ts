#!/usr/bin/env node
import { processHost } from './host.ts';
import { runLbctl } from './run.ts';

runLbctl(process.argv.slice(2), processHost()).then((code) => {
  process.exitCode = code;
});
