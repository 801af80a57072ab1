/** Completion: what is offered, and that the shells' scripts bring it to the shell. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHELLS, shellScript } from '../../../src/cli/completion/shell-scripts.ts';
import { type FakeAgent, json, startFakeAgent } from './fake-agent.ts';
import { lbctl } from './fake-host.ts';
import { service, services } from './fixtures.ts';

let agent: FakeAgent;
beforeAll(async () => {
  agent = await startFakeAgent();
});
afterAll(() => agent.close());

async function offered(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await lbctl(['__complete', '--', ...words], {
    env: { L4LB_SOCKET: agent.socket },
  });
  expect(code).toBe(0);
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0] ?? '');
}

describe('lbctl __complete', () => {
  it.each<[words: string[], expected: string[]]>([
    [['s'], ['status', 'service', 'stats']],
    [
      ['service', ''],
      ['list', 'get'],
    ],
    [['svc', 'l'], ['list']],
    [
      ['service', 'list', '-o', ''],
      ['table', 'wide', 'json', 'yaml'],
    ],
    [['service', 'list', '--output', 'j'], ['json']],
    [['service', 'list', '--output=j'], ['--output=json']],
    [
      ['service', 'list', '--so'],
      ['--sort', '--socket'],
    ],
    [
      ['service', 'list', '--sort', 'f'],
      ['frontend', 'flows'],
    ],
    [['service', 'list', ''], []],
    [
      ['service', 'get', 'shop/'],
      ['shop/web', 'shop/staging'],
    ],
    [['service', 'get', '10.1.0.2:'], ['10.1.0.2:53/UDP']],
    [['service', 'get', 'shop/web', ''], []],
    [['maglev', 'show', '-o', 'json', 'def'], ['default/dns']],
    [['conn', 'list', '--service', 'def'], ['default/dns']],
    [['conn', 'list', '--service=def'], ['--service=default/dns']],
    [['conn', 'list', '--client', ''], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['--socket', ''], [':files']],
    [['status', '--config', ''], [':files']],
    [['nonsense', ''], []],
    [['service', 'list', '--nonsense=x'], []],
  ])('offers at the end of %j', async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  it('offers every visible command and every option, and none that is hidden', async () => {
    const commands = await offered('');
    expect(commands).toEqual(
      expect.arrayContaining(['status', 'service', 'conn', 'drain', 'completion', 'version']),
    );
    expect(commands).not.toContain('__complete');
    const options = await offered('conn', 'list', '--');
    expect(options).toEqual(
      expect.arrayContaining(['--client', '--watch', '--socket', '--no-headers', '--help']),
    );
  });

  it('asks the agent that the line names', async () => {
    const other = await startFakeAgent();
    other.answer('/v1/services', json([service({ namespace: 'other', name: 'one' })]));
    expect(await offered('--socket', other.socket, 'service', 'get', 'o')).toEqual(['other/one']);
    await other.close();
  });

  it('offers nothing, quietly, when there is no agent, or names that a shell would act on', async () => {
    expect(await offered('--socket', '/nowhere', 'service', 'get', '')).toEqual([]);
    const other = await startFakeAgent();
    other.answer('/v1/services', json([service({ name: 'a\nb', vip: '$(reboot)' }), ...services]));
    expect(await offered('--socket', other.socket, 'service', 'get', '')).toEqual([
      ...['shop/web', 'default/dns', 'shop/staging'],
      ...['10.1.0.10:443/TCP', '10.1.0.2:53/UDP', '10.1.0.11:80/TCP'],
    ]);
    await other.close();
  });
});

describe('the scripts', () => {
  let directory: string;
  let program: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
    program = join(directory, 'lbctl');
    // Writes down what it is asked, and answers what a file says.
    writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" > ${directory}/asked\ncat ${directory}/answer\n`);
    chmodSync(program, 0o755);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('are printed, and another shell is a usage error', async () => {
    for (const shell of SHELLS) expect((await lbctl(['completion', shell])).stdout).toBe(shellScript(shell));
  });

  it('for bash is sound', () => {
    execFileSync('bash', ['-n'], { input: shellScript('bash') });
  });

  /** Completes the line in a real bash, split into words as readline does. */
  async function bash(line: string, answer: string): Promise<{ replies: string[]; asked: string[] }> {
    writeFileSync(join(directory, 'answer'), answer);
    const words = line.split(/([\s:=]+)/).flatMap((part) => (/^\s+$/.test(part) ? [] : [part.trim()]));
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const script = `
      ${shellScript('bash')}
      compopt() { echo "compopt $*" >> ${directory}/compopt; }
      COMP_LINE='${line}' COMP_POINT=${line.length}
      COMP_WORDS=(${quoted}) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _lbctl
      printf '%s\\n' "\${COMPREPLY[@]}"
      cat ${directory}/asked`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script]);
    const [replies = '', asked = ''] = stdout.split('__complete\n--\n');
    return { replies: replies.trimEnd().split('\n'), asked: asked.trimEnd().split('\n') };
  }

  it.each([
    ['service li', ['service', 'li'], 'list\tlist services\n', ['list']],
    ['service get def', ['service', 'get', 'def'], 'default/dns\tservice\n', ['default/dns']],
    // Bash has cut the word at the colon and at the equals sign: only the rest may come back.
    ['service get 10.1.0.2:5', ['service', 'get', '10.1.0.2:5'], '10.1.0.2:53/UDP\tx\n', ['53/UDP']],
    [
      'conn list --service=shop/w',
      ['conn', 'list', '--service=shop/w'],
      '--service=shop/web\t\n',
      ['shop/web'],
    ],
  ])('for bash completes "lbctl %s"', async (line, asked, answer, replies) => {
    expect(await bash(`${program} ${line}`, answer)).toEqual({ asked, replies });
  });

  it('for bash completes an empty word', async () => {
    const outcome = await bash(`${program} service `, 'list\t\nget\t\n');
    expect(outcome.replies).toEqual(['list', 'get']);
    expect(outcome.asked.slice(0, 1)).toEqual(['service']);
  });

  it('for zsh offers candidates with their descriptions, colons kept', async () => {
    writeFileSync(join(directory, 'answer'), '10.1.0.2:53/UDP\tdefault/dns\ndefault/dns\tservice\n');
    const script = `
      compdef() { : }
      _describe() { print -rl -- "\${(@P)4}" }
      _files() { print -r files }
      ${shellScript('zsh')}
      words=('${program}' service get 10.1.0.2:5 behind) CURRENT=4
      _lbctl
      print ':files' > ${directory}/answer
      _lbctl`;
    const { stdout } = await promisify(execFile)('zsh', ['-f', '-c', script]);
    expect(stdout).toBe('10.1.0.2\\:53/UDP:default/dns\ndefault/dns:service\nfiles\n');
    expect(readFileSync(join(directory, 'asked'), 'utf8')).toBe('__complete\n--\nservice\nget\n10.1.0.2:5\n');
  });

  it('for fish offers candidates with their descriptions', async () => {
    writeFileSync(join(directory, 'answer'), 'default/dns\tservice\ndefault/web\tservice\n');
    const script = `set -x PATH ${directory} $PATH; source ${directory}/script.fish; complete -C 'lbctl service get def'`;
    writeFileSync(join(directory, 'script.fish'), shellScript('fish'));
    const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', script]);
    expect(stdout).toBe('default/dns\tservice\ndefault/web\tservice\n');
    expect(readFileSync(join(directory, 'asked'), 'utf8')).toBe('__complete\n--\nservice\nget\ndef\n');
  });
});
