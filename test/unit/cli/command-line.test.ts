/** What people type: mistakes, help, selectors, filters. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionView, ServiceView } from '../../../src/api/types.ts';
import { parseEndpoint } from '../../../src/cli/connection-filter.ts';
import { EXIT_HELP } from '../../../src/cli/exit-codes.ts';
import { commandsOf, pathOf } from './command-tree.ts';
import { type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { lbctl } from './fake-host.ts';

let agent: FakeAgent;
beforeAll(async () => {
  agent = await startFakeAgent();
});
afterAll(() => agent.close());
beforeEach(() => {
  agent.requests.length = 0;
});

const run = (...words: string[]) => lbctl(['--socket', agent.socket, ...words]);

describe('a mistake', () => {
  it.each<[words: string[], says: RegExp]>([
    [['sevice'], /unknown command 'sevice'\n\(Did you mean service\?\)\nRun "lbctl --help"/],
    [['service', 'lst'], /unknown command 'lst'\n\(Did you mean .*list.*\?\)\nRun "lbctl service --help"/],
    [['service', 'list', '--wacth'], /unknown option '--wacth'\n\(Did you mean --watch\?\)/],
    [['service', 'list', '-o', 'xml'], /'xml' is invalid\. Allowed choices are table, wide, json, yaml/],
    [['service', 'list', '--sort', 'size'], /'size' is invalid\. Allowed choices are id, frontend/],
    [['service', 'list', 'dns'], /too many arguments.*\nRun "lbctl service list --help"/],
    [['service', 'get'], /missing required argument 'service'/],
    [
      ['service', 'list', '--watch', 'dns'],
      /'dns' is invalid\. It must be a number of seconds, 0\.1 to 86400/,
    ],
    [['service', 'list', '--watch=0'], /'0' is invalid/],
    [['conn', 'list', '--limit', '-1'], /'-1' is invalid\. It must be a whole number; 0 means all/],
    [
      ['conn', 'list', '--client', '10.0.0.300'],
      /'10\.0\.0\.300' is invalid\. It must be an address, a CIDR/,
    ],
    [['conn', 'list', '--backend', '10.0.0.0/33'], /'10\.0\.0\.0\/33' is invalid/],
    [
      ['conn', 'list', '--state', 'open'],
      /'open' is invalid\. It must be one of syn, established, fin-client/,
    ],
    [['conn', 'list', '--protocol', 'icmp'], /'icmp' is invalid\. Allowed choices are tcp, udp/],
    [['--timeout', '0', 'status'], /'0' is invalid\. It must be a number of seconds/],
    [['completion', 'tcsh'], /'tcsh' is invalid.*Allowed choices are bash, zsh, fish/],
    [['drain', '--offline'], /drain needs the agent.*\nLeave --offline out/],
  ])('%j', async (words, says) => {
    const { code, stdout, stderr } = await run(...words);
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^lbctl: /);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(agent.requests).toEqual([]);
  });

  it.each([[[]], [['service']], [['maglev']]])('%j is a group: its help goes to stderr', async (words) => {
    const { code, stdout, stderr } = await run(...words);
    expect(stderr).toMatch(/Usage: lbctl/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('--help', () => {
  const names = commandsOf().map(pathOf);
  it.each(names)('of lbctl %s has examples and the options of all commands', async (path) => {
    const { code, stdout, stderr } = await run(...path.split(' '), '--help');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`Usage: lbctl ${path}`);
    expect(stdout).toContain('--socket <path>');
    if (!['service', 'backend', 'conn', 'maglev'].includes(path)) {
      const examples = stdout.split('Examples:\n')[1]?.split('\n') ?? [];
      expect(examples[0]).toMatch(new RegExp(`^ {2}.*lbctl ${path}.* # `));
    }
  });

  it('of lbctl has all exit codes', async () => {
    const { stdout } = await run('--help');
    for (const [code, meaning] of Object.entries(EXIT_HELP))
      expect(stdout).toContain(`  ${code}  ${meaning}`);
  });

  it('hides what only shells call', async () => {
    expect((await run('--help')).stdout).not.toContain('__complete');
  });
});

describe('a selector', () => {
  const ids = async (selector: string) => {
    const { code, stdout } = await run('service', 'get', selector, '-o', 'json');
    return code === 0 ? (JSON.parse(stdout) as ServiceView[]).map(({ id }) => id) : code;
  };
  it.each([
    ['shop/web', [64]],
    ['web', [64]],
    ['WEB', [64]],
    ['shop/web:443', [64]],
    ['shop/web:https', [64]],
    ['web:https', [64]],
    ['10.1.0.10', [64]],
    ['10.1.0.10:443', [64]],
    ['10.1.0.10:443/TCP', [64]],
    ['10.1.0.10:443/tcp', [64]],
    ['64', [64]],
    ['shop/dns', 3],
    ['shop', 3],
    ['10.1.0.1', 3],
    ['10.1.0.10:443/UDP', 3],
  ])('%s means %j', async (selector, expected) => {
    expect(await ids(selector)).toEqual(expected);
  });

  it('that is nearly right is told what is right', async () => {
    for (const words of [
      ['service', 'get'],
      ['maglev', 'show'],
      ['conn', 'list', '--service'],
    ]) {
      const { code, stdout, stderr } = await run(...words, 'default/dsn');
      expect(code).toBe(3);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/no service "default\/dsn"; did you mean default\/dns\?\n.*lbctl service list/);
    }
  });
});

describe('conn list', () => {
  const clients = async (...words: string[]) => {
    const { code, stdout } = await run('conn', 'list', '-o', 'json', ...words);
    expect(code).toBe(0);
    return (JSON.parse(stdout) as ConnectionView[]).map(({ client }) => client.split('.').at(-1));
  };
  // The fake agent answers all of them, whatever is asked: what is left out is left out by lbctl.
  it.each<[words: string[], left: string[], asked: string]>([
    [['--client', '203.0.113.7'], ['7:51514'], '?client=203.0.113.7&limit=1001'],
    [['--client', '203.0.113.7:51514'], ['7:51514'], ''],
    [['--client', '203.0.113.7:1'], [], ''],
    [['--client', '203.0.113.0/24'], ['7:51514', '70:40022'], '?client=203.0.113.0/24&limit=1001'],
    [['--backend', '192.168.1.234:53'], ['9:33333'], '?backend=192.168.1.234:53&limit=1001'],
    [['--backend', '192.168.1.20/31'], ['7:51514', '70:40022'], ''],
    [['--service', 'web'], ['7:51514', '70:40022'], '?service=10.1.0.10:443/TCP&limit=1001'],
    [['--state', 'CLOSED'], ['70:40022'], '?state=closed&limit=1001'],
    [['--protocol', 'udp'], ['9:33333'], '?protocol=UDP&limit=1001'],
    [
      ['--protocol', 'tcp', '--state', 'closed', '--client', '203.0.113.7'],
      [],
      '?client=203.0.113.7&state=closed&protocol=TCP&limit=1001',
    ],
    [['--sort', 'idle'], ['70:40022', '7:51514', '9:33333'], ''],
    [['--sort', 'client'], ['9:33333', '7:51514', '70:40022'], ''],
    [['--limit', '0'], ['7:51514', '70:40022', '9:33333'], ''],
  ])('%j', async (words, left, asked) => {
    expect(await clients(...words)).toEqual(left);
    expect(agent.requests.at(-1)).toBe(`GET /v1/connections${asked}`);
  });

  it('tells when a limit left something out', async () => {
    const { stdout, stderr } = await run('conn', 'list', '--limit', '2', '--no-headers');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stderr).toMatch(/only 2 are shown, more match; --limit 0 prints all/);
    expect((await run('conn', 'list', '--limit', '3')).stderr).toBe('');
  });
});

describe('an endpoint', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1:5', true],
    ['10.0.0.1', '10.0.0.10:5', false],
    ['10.0.0.0/8', '10.255.0.1:5', true],
    ['10.0.0.0/8', '11.0.0.1:5', false],
    ['0.0.0.0/0', '11.0.0.1:5', true],
    ['10.0.0.1:80', '10.0.0.1:80', true],
    ['10.0.0.1:80', '10.0.0.1:8080', false],
    ['fd00::1', '[fd00:0::1]:80', true],
    ['[fd00::1]:80', '[fd00::1]:81', false],
    ['10.0.0.1', 'nonsense', false],
  ])('%s matches %s: %s', (written, endpoint, expected) => {
    expect(parseEndpoint(written)?.(endpoint)).toBe(expected);
  });
  it.each(['', 'x', '10.0.0', '10.0.0.1:', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.0/8:80', '10.0.0.0/-1'])(
    '%j is none',
    (text) => {
      expect(parseEndpoint(text)).toBeUndefined();
    },
  );
});

describe('drain and undrain', () => {
  it('ask the agent, and say what is announced now', async () => {
    const drained = await run('drain');
    expect(drained.stdout).toMatch(/lbctl undrain.*\nNow: lb-vip0 down, announced: drained\.\n$/);
    expect((await run('undrain')).stdout).toMatch(/Now: lb-vip0 up, announced: yes\.\n$/);
    expect(agent.requests).toEqual([
      'POST /v1/drain',
      'GET /v1/status',
      'POST /v1/undrain',
      'GET /v1/status',
    ]);
  });

  it('need an agent', async () => {
    const { code, stderr } = await lbctl(['--socket', '/nowhere/agent.sock', 'drain']);
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /drain needs the agent, which does not listen on \/nowhere\/agent\.sock \(ENOENT\)\.\nStart/,
    );
  });
});

describe('version', () => {
  it('is told without an agent too', async () => {
    const { version } = (await import('../../../package.json', { with: { type: 'json' } })).default;
    expect((await run('version')).stdout).toBe(`lbctl:      ${version}\nlb-agent:   0.1.0\n`);
    const alone = await lbctl(['--socket', '/nowhere/agent.sock', 'version', '-o', 'json']);
    expect(JSON.parse(alone.stdout)).toEqual({ lbctl: version, agent: 'not running' });
    expect((await run('--version')).stdout).toBe(`${version}\n`);
  });
});

it('a command is there when only what is asked for is made, by its name and by its alias', () => {
  for (const command of commandsOf().filter((each) => each.parent?.parent === null)) {
    for (const name of [command.name(), ...command.aliases()]) {
      const alone = commandsOf(['--socket', '/nowhere', name]);
      const read = commandsOf([name, '--help']);
      for (const commands of [alone, read]) expect(commands.map(pathOf)).toContain(command.name());
      expect(read.length).toBeLessThan(alone.length);
    }
  }
});
