#!/usr/bin/env node
import { processHost } from './host.ts';
import { runLbctl } from './run.ts';

process.exitCode = await runLbctl(process.argv.slice(2), processHost());
