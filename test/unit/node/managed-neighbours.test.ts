import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  nextHopOf,
  planNeighbours,
  removeNeighbours,
  syncNeighbours,
} from '../../../src/node/managed-neighbours.ts';
import { NextHopBook } from '../../../src/node/next-hop-book.ts';
import { fakeRun } from './fake-ip.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-neighbours-'));
  file = join(directory, 'neighbours.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const one = { address: '192.0.2.1', device: 'eth0' };
const two = { address: '192.0.2.2', device: 'eth0' };
const entry = { ...one, managed: false, permanent: false };

describe('whom to keep alive', () => {
  test.each([
    ['on the link', { type: 'unicast', device: 'eth0' }, { address: '10.0.0.5', device: 'eth0' }],
    [
      'behind an IPv6 gateway',
      { type: 'unicast', device: 'eth0', gateway: 'fe80::1' },
      { address: 'fe80::1', device: 'eth0' },
    ],
    ['behind a gateway', { type: 'unicast', device: 'eth0', gateway: '192.0.2.1' }, one],
    ['the node itself', { type: 'local', device: 'lo' }, undefined],
    ['no route', undefined, undefined],
    ['a blackhole', { type: 'blackhole' }, undefined],
  ])('%s', (_name, route, expected) => {
    expect(nextHopOf('10.0.0.5', route)).toEqual(expected);
  });

  test('new ones are made, those that the kernel forgot are made again, others dropped', () => {
    expect(planNeighbours([one], [one, two, two], [])).toEqual({
      keep: [one, two],
      make: [one, two],
      drop: [],
    });
    expect(planNeighbours([one, two], [one], [{ ...entry, managed: true }])).toEqual({
      keep: [one],
      make: [],
      drop: [two],
    });
  });

  test('entries of an administrator are neither made managed nor ever deleted', () => {
    for (const kernel of [
      { ...entry, permanent: true },
      { ...entry, managed: true },
    ]) {
      expect(planNeighbours([], [one], [kernel])).toEqual({ keep: [], make: [], drop: [] });
    }
    expect(planNeighbours([], [one], [entry]).make).toEqual([one]);
  });
});

describe('managed entries in the kernel', () => {
  const run = () =>
    fakeRun({
      'ip -j -force -batch -': (_args, input) => ({
        code: 1,
        stdout: input
          .trim()
          .split('\n')
          .map((line) => line.split(' ').at(-1) ?? '')
          .filter((address) => !address.startsWith('203.'))
          .map((address) =>
            address.startsWith('10.')
              ? `[{"dst":"${address}","gateway":"192.0.2.1","dev":"eth0","flags":[]}]`
              : `[{"dst":"${address}","dev":"eth0","flags":[]}]`,
          )
          .join('\n'),
        stderr: 'RTNETLINK answers: Network is unreachable',
      }),
      'ip -j neigh show': {
        stdout: '[{"dst":"192.0.2.9","dev":"eth0","lladdr":"x","state":["PERMANENT"]}]',
      },
      'ip -force -batch -': {},
    });

  test('one entry a gateway; what has no route or is permanent is left out; given up when not needed', async () => {
    const first = run();
    const destinations = ['10.0.0.1', '10.0.0.2', '192.0.2.5', '192.0.2.9', '203.0.113.1'];
    const book = new NextHopBook();
    const hops = await book.nextHopsOf(first, destinations, 'unknown');
    const report = await syncNeighbours(first, file, hops);
    expect(report.managed).toEqual([
      { address: '192.0.2.1', device: 'eth0' },
      { address: '192.0.2.5', device: 'eth0' },
    ]);
    expect(first.calls.at(-1)).toBe(
      'ip -force -batch - < neigh replace 192.0.2.1 dev eth0 managed; neigh replace 192.0.2.5 dev eth0 managed',
    );
    const second = run();
    await syncNeighbours(second, file, await book.nextHopsOf(second, ['10.0.0.1'], 'unknown'));
    // What is known is not asked for again, but when routes may have changed.
    expect(second.calls).not.toContain('ip -j -force -batch - < route get 10.0.0.1');
    await book.nextHopsOf(first, ['10.0.0.1', '192.0.2.5'], 'all');
    expect(first.calls.at(-1)).toBe('ip -j -force -batch - < route get 10.0.0.1; route get 192.0.2.5');
    expect(second.calls.at(-1)).toBe('ip -force -batch - < neigh del 192.0.2.5 dev eth0');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([{ address: '192.0.2.1', device: 'eth0' }]);
    const third = run();
    expect(await removeNeighbours(third, file)).toBe(1);
    expect(await removeNeighbours(third, file)).toBe(0);
    expect(third.calls).toEqual(['ip -force -batch - < neigh del 192.0.2.1 dev eth0']);
  });
});
