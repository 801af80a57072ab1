/** The examples in docs/lbctl.md are what lbctl prints on the fixtures. UPDATE_DOCS=1 writes them anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandsOf, pathOf } from './command-tree.ts';
import { type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { lbctl } from './fake-host.ts';

const PAGE = fileURLToPath(new URL('../../../docs/lbctl.md', import.meta.url));
const EXAMPLE = /```console\n\$ (?<line>.*)\n(?<output>[\s\S]*?)```\n/g;

let agent: FakeAgent;
beforeAll(async () => {
  agent = await startFakeAgent();
});
afterAll(() => agent.close());

async function rewritten(page: string): Promise<string> {
  let result = '';
  let end = 0;
  for (const match of page.matchAll(EXAMPLE)) {
    const line = match.groups?.line ?? '';
    const output = line.startsWith('lbctl ') ? await outputOf(line) : '';
    result += `${page.slice(end, match.index)}\`\`\`console\n$ ${line}\n${output}\`\`\`\n`;
    end = match.index + match[0].length;
  }
  return result + page.slice(end);
}

async function outputOf(line: string): Promise<string> {
  const { code, stdout, stderr } = await lbctl(line.split(' ').slice(1), {
    env: { L4LB_SOCKET: agent.socket },
  });
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
  return stdout;
}

it('docs/lbctl.md shows what lbctl prints', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const right = await rewritten(page);
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(PAGE, right);
  else expect(page).toBe(right);
});

it('docs/lbctl.md has every command, with an example', () => {
  const page = readFileSync(PAGE, 'utf8');
  const leaves = commandsOf().filter((command) => command.commands.length === 0);
  expect(leaves.length).toBeGreaterThan(10);
  for (const path of leaves.map(pathOf)) {
    expect(page).toMatch(new RegExp(`^###.* lbctl ${path}\\b`, 'm'));
    expect(page).toMatch(new RegExp(`^\\$ .*lbctl ${path}\\b`, 'm'));
  }
});
