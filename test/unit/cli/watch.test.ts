/** --watch, colours and the terminal. Nothing here waits: the host's sleep is the test's. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeAgent, json, startFakeAgent } from './fake-agent.ts';
import { lbctl } from './fake-host.ts';
import { services, stats, status } from './fixtures.ts';

let agent: FakeAgent;
beforeEach(async () => {
  agent = await startFakeAgent();
});
afterEach(() => agent.close());

describe('--watch away from a terminal', () => {
  it('appends until Ctrl-C, which is a success', async () => {
    const { code, stdout, stderr } = await lbctl(['--socket', agent.socket, 'service', 'list', '--watch'], {
      onSleep: (sleeps, interrupt) => {
        agent.answer('/v1/services', json(services.slice(0, 1)));
        if (sleeps === 1) interrupt();
      },
    });
    expect(code).toBe(0);
    expect(stderr).toBe('');
    const looks = stdout.split('\n\n');
    expect(looks).toHaveLength(2);
    expect(looks[0]).toContain('10.1.0.2:53/UDP');
    expect(looks[1]).not.toContain('10.1.0.2:53/UDP');
    expect(stdout).not.toContain('\x1b');
  });

  it('prints one document after the other in json and yaml', async () => {
    const twice = { onSleep: (sleeps: number, interrupt: () => void) => sleeps === 1 && interrupt() };
    const watch = (format: string) =>
      lbctl(['--socket', agent.socket, 'service', 'list', '-w', '1', '-o', format], {
        onSleep: (sleeps, interrupt) => void twice.onSleep(sleeps, interrupt),
      });
    expect((await watch('json')).stdout.match(/^\[$/gm)).toHaveLength(2);
    const { parseAllDocuments } = await import('yaml');
    expect(parseAllDocuments((await watch('yaml')).stdout)).toHaveLength(2);
  });

  it('goes on when a later look fails, and ends with the error when the first one does', async () => {
    const healthy = json(services);
    const { code, stdout, stderr } = await lbctl(
      ['--socket', agent.socket, 'service', 'list', '--watch', '5'],
      {
        onSleep: (sleeps, interrupt) => {
          if (sleeps === 0) agent.answer('/v1/services', json({ error: 'busy', remedy: '' }, 500));
          if (sleeps === 1) agent.answer('/v1/services', healthy);
          if (sleeps === 2) interrupt();
        },
      },
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/busy.*Trying again in 5 s\.\n$/);
    expect(stdout.match(/^ID /gm)).toHaveLength(2);

    agent.answer('/v1/services', json({ error: 'busy', remedy: '' }, 500));
    const first = await lbctl(['--socket', agent.socket, 'service', 'list', '--watch']);
    expect(first.code).toBe(1);
  });

  it('adds rates to stats from the second look on', async () => {
    const more = structuredClone(stats);
    for (const drop of more.drops) if (drop.reason === 'no-flow') drop.packets += 30;
    for (const service of more.services) if (service.name === 'shop/web') service.traffic.packetsIn += 24_000;
    for (const event of more.events) event.packets = 0;
    const { stdout } = await lbctl(['--socket', agent.socket, 'stats', '--all', '--watch', '2'], {
      onSleep: (sleeps, interrupt) => {
        agent.answer('/v1/stats', json(more));
        if (sleeps === 1) interrupt();
      },
    });
    const [first = '', second = ''] = stdout.split(/(?=^Drops:$)/m);
    expect(first).not.toContain('Rate');
    expect(second).toMatch(/^no-flow +61 +15\/s +1\.2 KiB/m);
    expect(second).toMatch(/^unknown-port +1502 +0\/s/m);
    expect(second).toMatch(/^10\.1\.0\.10:443\/TCP +shop\/web +29\.0 K +1\.8 M +12\.0 K\/s/m);
    // A counter that went back began anew.
    expect(second).toMatch(/^echo-answered +0 +- /m);
  });
});

describe('--watch on a terminal', () => {
  const terminal = { isTerminal: true, columns: 80, rows: 6 };

  it('redraws in place, hides the cursor meanwhile and keeps to the screen', async () => {
    const { stdout, code } = await lbctl(['--socket', agent.socket, 'service', 'list', '--watch'], {
      ...terminal,
      onSleep: (sleeps, interrupt) => void (sleeps === 1 && interrupt()),
    });
    expect(code).toBe(0);
    expect(stdout.startsWith('\x1b[?25l\x1b[2J\x1b[H')).toBe(true);
    expect(stdout.endsWith('\x1b[?25h')).toBe(true);
    const [, first = '', second = ''] = stdout.split('\x1b[H');
    expect(first).toContain('Every 2 s, Ctrl-C ends.   12:00:00 UTC');
    expect(second).toContain('12:00:02 UTC');
    expect(first.split('\n').slice(0, -1)).toHaveLength(5);
    expect(first).toContain('(5 more lines)');
  });

  it('shows the cursor again after an error', async () => {
    agent.answer('/v1/services', json({}));
    const { stdout, code } = await lbctl(['--socket', agent.socket, 'service', 'list', '--watch'], terminal);
    expect(code).toBe(6);
    expect(stdout).toBe('\x1b[?25h');
  });
});

describe('colours', () => {
  const page = (options: Parameters<typeof lbctl>[1], ...words: string[]) =>
    lbctl(['--socket', agent.socket, 'status', ...words], options).then(({ stdout }) => stdout);

  it('show what is well and what is not, on a terminal that wants them', async () => {
    agent.answer('/v1/status', json({ ...status, health: 'no device has the program' }));
    expect(await page({ isTerminal: true })).toContain('\x1b[31mno device has the program\x1b[39m');
    expect(await page({ isTerminal: true }, '--no-color')).not.toContain('\x1b');
    expect(await page({ isTerminal: true, env: { NO_COLOR: '1' } })).not.toContain('\x1b');
    expect(await page({ isTerminal: false })).not.toContain('\x1b');
    expect(await page({ isTerminal: true }, '-o', 'json')).not.toContain('\x1b');
  });
});

describe('a narrow terminal', () => {
  it('gets names cut, never addresses', async () => {
    const narrow = { isTerminal: true, columns: 132, env: { NO_COLOR: '1' } };
    const { stdout } = await lbctl(['--socket', agent.socket, 'service', 'get', 'web'], narrow);
    expect(stdout).toContain('shop/web-7d…');
    expect(stdout).toContain('192.168.1.20:8443');
    const piped = await lbctl(['--socket', agent.socket, 'service', 'get', 'web'], { columns: 40 });
    expect(piped.stdout).toContain('shop/web-7d4b9-x2x8p');
  });

  it('gets shorter bars', async () => {
    const bars = async (columns: number, isTerminal = true) => {
      const options = { isTerminal, columns, env: { NO_COLOR: '1' } };
      const { stdout } = await lbctl(['--socket', agent.socket, 'maglev', 'show', 'web'], options);
      const lengths = stdout.split('\n').map((line) => line.match(/█+$/)?.[0].length ?? 0);
      return {
        longest: Math.max(...lengths),
        widest: Math.max(...stdout.split('\n').map((line) => line.length)),
      };
    };
    expect((await bars(200)).longest).toBe(40);
    expect(await bars(80)).toEqual({ longest: 25, widest: 80 });
    expect((await bars(20)).longest).toBe(5);
    expect((await bars(20, false)).longest).toBe(40);
  });

  it('and ASCII where the locale has nothing else', async () => {
    const { stdout } = await lbctl(['--socket', agent.socket, 'maglev', 'show', 'web'], {
      env: { LANG: 'C' },
    });
    expect(stdout).toMatch(/#{40}$/m);
  });
});
