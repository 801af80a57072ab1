/**
 * What of an agent writes to the cluster, as a process of its own that can be killed: source, desired state
 * and controller as the agent has them, without packets. Says each change of its state in a line of JSON;
 * SIGHUP reads the configuration again.
 */
import { pino } from 'pino';
import { loadConfig } from '../../src/config/parse-config.ts';
import { controllerSettings, openController } from '../../src/controller/open-controller.ts';
import { buildDesiredState } from '../../src/services/build-desired-state.ts';
import { serviceSettings } from '../../src/services/service-settings.ts';
import { openSource } from '../../src/sources/open-source.ts';

const [file = ''] = process.argv.slice(2);
let config = loadConfig(file);
let settings = serviceSettings(config);
const source = openSource(config.source);
const controller = openController(config, {
  source,
  problems: () => {
    const { services, slices } = source.snapshot();
    return buildDesiredState(services, slices, settings).problems;
  },
  log: pino({ level: 'info' }, process.stderr),
});
if (controller === undefined) throw new Error('controller.enabled is false');

let said = '';
function say(): void {
  const line = JSON.stringify(controller?.state);
  if (line !== said) process.stdout.write(`${line}\n`);
  said = line;
}
const timer = setInterval(say, 50);

process.on('SIGHUP', () => {
  config = loadConfig(file);
  settings = serviceSettings(config);
  controller.configure(controllerSettings(config));
});
process.on('SIGTERM', async () => {
  await controller.stop();
  await source.stop();
  clearInterval(timer);
});

await source.start(() => controller.trigger());
controller.start();
