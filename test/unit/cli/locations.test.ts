/** Where lbctl looks, and that its defaults are the agent's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locate } from '../../../src/cli/locations.ts';
import { loadConfig } from '../../../src/config/parse-config.ts';
import { lbctl } from './fake-host.ts';

let directory: string;
let configFile: string;
const LEAST =
  'vips: { ranges: [10.1.0.0/24] }\ndevices: [{ name: eth0 }]\nsnat: { addresses: [10.2.0.16] }\n';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
  configFile = join(directory, 'agent.yaml');
  writeFileSync(configFile, `${LEAST}runtimeDirectory: /run/of-config\nbpfDirectory: /bpf/of-config\n`);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('the places', () => {
  it('are by default those of an agent whose configuration says nothing', async () => {
    const file = join(directory, 'least.yaml');
    writeFileSync(file, LEAST);
    const { runtimeDirectory, bpfDirectory, api } = loadConfig(file);
    expect(await locate({}, {})).toEqual({ runtimeDirectory, bpfDirectory, socket: api.socket });
  });

  it.each([
    ['environment', {}, { L4LB_RUNTIME_DIRECTORY: '/e/' }, ['/e/', '/sys/fs/bpf/l4lb', '/e/agent.sock']],
    ['socket by environment', {}, { L4LB_SOCKET: '/s', L4LB_BPF_DIRECTORY: '/b' }, ['/run/l4lb', '/b', '/s']],
    [
      'empty variables',
      {},
      { L4LB_SOCKET: '', L4LB_RUNTIME_DIRECTORY: '' },
      ['/run/l4lb', '/sys/fs/bpf/l4lb', '/run/l4lb/agent.sock'],
    ],
    [
      'options first',
      { socket: '/o', bpfDirectory: '/p' },
      { L4LB_SOCKET: '/s', L4LB_BPF_DIRECTORY: '/b' },
      ['/run/l4lb', '/p', '/o'],
    ],
    [
      'a directory by option moves the socket',
      { runtimeDirectory: '/r' },
      { L4LB_SOCKET: '/s' },
      ['/r', '/sys/fs/bpf/l4lb', '/r/agent.sock'],
    ],
  ])('%s', async (_name, options, env, [runtimeDirectory, bpfDirectory, socket]) => {
    expect(await locate(options, env)).toEqual({ runtimeDirectory, bpfDirectory, socket });
  });

  it('come from --config before the environment, and after the options', async () => {
    const env = { L4LB_SOCKET: '/s', L4LB_BPF_DIRECTORY: '/b' };
    expect(await locate({ config: configFile }, env)).toMatchObject({
      runtimeDirectory: '/run/of-config',
      bpfDirectory: '/bpf/of-config',
      socket: '/run/of-config/agent.sock',
    });
    expect((await locate({ config: configFile, socket: '/o' }, env)).socket).toBe('/o');
    expect((await locate({ config: configFile, runtimeDirectory: '/r' }, env)).socket).toBe('/r/agent.sock');
  });
});

it('a configuration with a mistake is a usage error that names the file', async () => {
  const file = join(directory, 'broken.yaml');
  writeFileSync(file, `${LEAST}runtimeDirectoy: /x\n`);
  const { code, stderr } = await lbctl(['--config', file, 'status']);
  expect(code).toBe(2);
  expect(stderr).toContain(file);
  expect(stderr).toMatch(/runtimeDirectoy.*did you mean runtimeDirectory/);
  expect(stderr).toMatch(/give --socket/);
  const missing = await lbctl(['--config', join(directory, 'none.yaml'), 'status']);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(/none\.yaml.*cannot be read/);
});
