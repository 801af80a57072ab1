import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RESERVED_PORTS } from '../../../src/node/sysctl-plan.ts';
import { applySysctls, restoreSysctls, type SysctlContext } from '../../../src/node/sysctl-record.ts';
import { fakeSysctls } from './fake-sysctls.ts';

const RP = 'net/ipv4/conf/eth0/rp_filter';
const FORWARD = 'net/ipv4/conf/eth0/forwarding';
const identity = { boot: 'b', namespace: 'net:[1]' };
let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-sysctl-'));
  file = join(directory, 'sysctls.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function context(sysctls: SysctlContext['sysctls'], ifindex = 7): SysctlContext {
  return { sysctls, file, identity, ifindexOf: () => ifindex };
}

describe('settings and their record', () => {
  test('are changed once and put back, whatever number of starts lies between', () => {
    const sysctls = fakeSysctls({ [RP]: '2', [FORWARD]: '0' });
    const wishes = [
      { path: RP, value: '0', device: 'eth0' },
      { path: FORWARD, value: '1', device: 'eth0' },
    ];
    expect(applySysctls(context(sysctls), wishes)).toHaveLength(2);
    expect(applySysctls(context(sysctls), wishes)).toEqual([]);
    sysctls.values.set(RP, '1'); // somebody sets it, the agent sets it again
    applySysctls(context(sysctls), wishes);
    expect(restoreSysctls(context(sysctls)).left).toEqual([]);
    expect(Object.fromEntries(sysctls.values)).toEqual({ [RP]: '2', [FORWARD]: '0' });
    expect(restoreSysctls(context(sysctls)).restored).toEqual([]);
  });

  test('the record is there before the setting is written', () => {
    const sysctls = fakeSysctls({ [RP]: '2' }, () => {
      expect(JSON.parse(readFileSync(file, 'utf8')).entries).toEqual([
        { path: RP, before: '2', written: '0', ifindex: 7 },
      ]);
      throw new Error('killed');
    });
    expect(() => applySysctls(context(sysctls), [{ path: RP, value: '0', device: 'eth0' }])).toThrow(
      'killed',
    );
    expect(sysctls.values.get(RP)).toBe('2');
  });

  test('what somebody else changed is left alone and named', () => {
    const sysctls = fakeSysctls({ [RP]: '2' });
    applySysctls(context(sysctls), [{ path: RP, value: '0', device: 'eth0' }]);
    sysctls.values.set(RP, '1');
    expect(restoreSysctls(context(sysctls)).left).toEqual([
      { path: RP, why: 'somebody changed it to 1 since' },
    ]);
    expect(sysctls.values.get(RP)).toBe('1');
  });

  test('a device that was made anew keeps its own value', () => {
    const sysctls = fakeSysctls({ [RP]: '2' });
    applySysctls(context(sysctls, 7), [{ path: RP, value: '0', device: 'eth0' }]);
    expect(restoreSysctls(context(sysctls, 8)).left[0]?.why).toMatch(/made anew/);
    expect(sysctls.values.get(RP)).toBe('0');
  });

  test('a device that came back is recorded with the value it came with', () => {
    const sysctls = fakeSysctls({ [RP]: '2' });
    applySysctls(context(sysctls, 7), [{ path: RP, value: '0', device: 'eth0' }]);
    sysctls.values.set(RP, '1');
    applySysctls(context(sysctls, 8), [{ path: RP, value: '0', device: 'eth0' }]);
    restoreSysctls(context(sysctls, 8));
    expect(sysctls.values.get(RP)).toBe('1');
  });

  test('of the reserved ports only ours are given back when others came in between', () => {
    const sysctls = fakeSysctls({ [RESERVED_PORTS]: '22' });
    applySysctls(context(sysctls), [{ path: RESERVED_PORTS, value: '22,61000-65535' }]);
    sysctls.values.set(RESERVED_PORTS, '22,8080,61000-65535');
    restoreSysctls(context(sysctls));
    expect(sysctls.values.get(RESERVED_PORTS)).toBe('22,8080');
  });

  test('a record of another boot or namespace, or one that cannot be read, restores nothing', () => {
    const sysctls = fakeSysctls({ [RP]: '0' });
    const entries = [{ path: RP, before: '2', written: '0', ifindex: 7 }];
    for (const text of [
      JSON.stringify({ boot: 'other', namespace: 'net:[1]', entries }),
      JSON.stringify({ boot: 'b', namespace: 'net:[2]', entries }),
      '{"boot":',
    ]) {
      writeFileSync(file, text);
      expect(restoreSysctls(context(sysctls)).restored).toEqual([]);
      expect(sysctls.values.get(RP)).toBe('0');
    }
  });

  test('killed at any write, any number of times, everything goes back', () => {
    const paths = ['a', 'b', 'c', 'd'].map((device) => `net/ipv4/conf/${device}/rp_filter`);
    fc.assert(
      fc.property(fc.array(fc.nat(6), { maxLength: 5 }), (deaths) => {
        rmSync(file, { force: true });
        const before = Object.fromEntries(paths.map((path, at) => [path, String(at % 3)]));
        let left = 0;
        const sysctls = fakeSysctls(before, () => {
          if (left-- === 0) throw new Error('killed');
        });
        const wishes = paths.map((path) => ({ path, value: '0', device: path.split('/')[3] ?? '' }));
        for (const death of [...deaths, 99]) {
          left = death;
          try {
            applySysctls(context(sysctls), wishes);
          } catch {}
        }
        for (const death of [...deaths, 99]) {
          left = death;
          try {
            restoreSysctls(context(sysctls));
          } catch {}
        }
        expect(Object.fromEntries(sysctls.values)).toEqual(before);
      }),
    );
  });
});
