import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/parse-config.ts';
import { buildDesiredState } from '../../../src/services/build-desired-state.ts';
import { serviceSettings } from '../../../src/services/service-settings.ts';
import { ManifestDirectory } from '../../../src/sources/manifest-directory.ts';

test('the examples give the services they describe, without a problem', async () => {
  const config = loadConfig('deploy/examples/lb-agent.yaml');
  const source = new ManifestDirectory({ directory: 'deploy/examples/manifests' });
  await source.start(() => {});
  await source.stop();
  const { services, slices, problems } = source.snapshot();
  const state = buildDesiredState(services, slices, serviceSettings(config));
  expect([...problems, ...state.problems]).toEqual([]);
  const lines = state.services.map(({ frontend: { vip, port, protocol }, backends, tableSize }) => {
    const shares = backends.map(({ address, port, weight }) => `${address}:${port}*${weight}`);
    return `${vip}:${port}/${protocol} ${tableSize} ${shares.join(' ')}`;
  });
  expect(lines).toEqual([
    '10.1.0.2:80/TCP 4099 10.2.0.5:8080*1 10.2.0.6:8080*1 10.2.0.7:8080*1',
    '10.1.0.3:53/TCP 1021 10.2.0.8:5353*2 10.2.0.9:5353*1',
    '10.1.0.3:53/UDP 1021 10.2.0.8:5353*2 10.2.0.9:5353*1',
  ]);
});
