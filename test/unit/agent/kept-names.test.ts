import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptNames } from '../../../src/agent/kept-names.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { readServiceNames } from '../../../src/dataplane/service-names.ts';
import type { DesiredService } from '../../../src/services/desired-state.ts';

const CONFIG = parseConfig(
  `vips: { ranges: [10.1.0.0/24] }
devices: [{ name: eth0 }]
snat: { addresses: [10.2.0.16/32] }
`,
  'test',
);

let directory: string;
let file: string;
const failures: unknown[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-names-'));
  file = join(directory, 'names.json');
  failures.length = 0;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const keep = (path = file) =>
  new KeptNames(CONFIG, { file: path, hz: 250, onFailure: (error) => failures.push(error) });

function service(n: number, target?: string): DesiredService {
  return {
    frontend: { vip: `10.1.0.${n}`, port: 80, protocol: 'TCP' },
    namespace: 'shop',
    name: `web-${n}`,
    type: 'ExternalIPs',
    mode: 'snat',
    tableSize: 251,
    backends: [
      {
        address: '10.0.0.1',
        port: 8080,
        weight: 1,
        state: 'active',
        ...(target === undefined ? {} : { target }),
      },
    ],
  };
}

test('names follow the services, and the file holds the last of them when the agent has stopped', async () => {
  const names = keep();
  const [one, two] = [service(1, 'shop/pod-1'), service(2)];
  await names.follow([one, two], CONFIG);
  expect(names.names.frontend('10.1.0.1:80/TCP')?.backends).toEqual({
    '10.0.0.1:8080': { weight: 1, target: 'shop/pod-1' },
  });
  const next = service(1, 'shop/pod-2');
  await names.follow([next], CONFIG);
  expect(names.names.frontend('10.1.0.2:80/TCP')).toBeUndefined();
  await names.stop();
  const stored = readServiceNames(file);
  expect(stored?.frontend('10.1.0.1:80/TCP')).toEqual(names.names.frontend('10.1.0.1:80/TCP'));
  expect(stored?.frontend('10.1.0.2:80/TCP')).toBeUndefined();
  expect(stored?.frontend('toString')).toBeUndefined();
  expect(stored?.hz).toBe(250);
  expect(keep().names.frontend('10.1.0.1:80/TCP')?.name).toBe('web-1');
  expect(failures).toEqual([]);
});

test('more than fits one write is one whole file', async () => {
  const names = keep();
  const long = 'p'.repeat(100_000);
  const services = [1, 2, 3, 4, 5, 6, 7].map((n) => service(n, long));
  await names.follow(services, CONFIG);
  await names.stop();
  const { frontends } = JSON.parse(readFileSync(file, 'utf8')) as { frontends: object };
  expect(Object.keys(frontends)).toHaveLength(7);
});

test('a file that cannot be written costs nothing but itself', async () => {
  const names = keep(join(directory, 'not', 'there', 'names.json'));
  await names.follow([service(1)], CONFIG);
  await names.stop();
  expect(failures).toHaveLength(1);
  expect(names.names.frontend('10.1.0.1:80/TCP')?.name).toBe('web-1');
  expect(existsSync(join(directory, 'not'))).toBe(false);
});
