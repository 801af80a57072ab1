import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountBpffs } from './bpffs-directory.ts';
import { compileProgram } from './sample-object.ts';

const NAMESPACE = 'l4lb-kernel-links';
let results: Record<string, unknown>;
let bpffs: ReturnType<typeof mountBpffs>;

const removeNamespace = () => spawnSync('ip', ['netns', 'delete', NAMESPACE]);

beforeAll(() => {
  removeNamespace();
  bpffs = mountBpffs('links');
  execFileSync('ip', ['netns', 'add', NAMESPACE]);
  execFileSync('ip', ['-n', NAMESPACE, 'link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right']);
  for (const device of ['left', 'right']) {
    execFileSync('ip', ['-n', NAMESPACE, 'link', 'set', device, 'up']);
  }
  const tsx = resolve('node_modules/.bin/tsx');
  const steps = resolve(import.meta.dirname, 'link-steps.ts');
  compileProgram('classifier');
  const output = execFileSync(
    'nsenter',
    [`--net=/run/netns/${NAMESPACE}`, tsx, steps, compileProgram('sample'), bpffs.path, 'left'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  results = JSON.parse(output);
});
afterAll(() => {
  removeNamespace();
  bpffs.unmount();
});

describe.each(['xdp', 'xdp-generic'])('a program by %s', (mode) => {
  const programs = () => results.programs as number[];

  it('is on the device, in that mode', () => {
    const [programId] = programs();
    expect(results[`${mode} attached`]).toEqual({
      programId,
      ifindex: results.ifindex,
      owner: { programId, mode },
    });
  });

  it('keeps others away, who are told whose it is', () => {
    expect(results[`${mode} busy`]).toEqual({
      code: 'DEVICE_BUSY',
      message: expect.stringContaining(`program ${programs()[0]} (sample) attached by ${mode}`),
    });
  });

  it('is swapped under its link', () => {
    const programId = programs()[1];
    expect(results[`${mode} updated`]).toEqual({
      programId,
      ifindex: results.ifindex,
      owner: { programId, mode },
    });
  });

  it('stays while its link is pinned, and is found there', () => {
    const programId = programs()[1];
    expect(results[`${mode} pinned`]).toEqual({ programId, mode });
    expect(results[`${mode} opened`]).toEqual({ programId, ifindex: results.ifindex });
  });

  it('is off the device once detached, though still pinned', () => {
    expect(results[`${mode} detached`]).toBe('none');
  });
});

describe('a program by tc', () => {
  it('is attached, swapped and detached', () => {
    for (const step of ['tc attached', 'tc updated']) {
      const { programId, ifindex, program } = results[step] as Record<string, number>;
      expect(programId).toBe(program);
      expect(ifindex).toBe(results.ifindex);
    }
    expect(results['tc detached']).toBe(0);
  });

  it('is not attached twice', () => {
    expect(results['tc busy']).toEqual({
      code: 'DEVICE_BUSY',
      message: expect.stringContaining('(classify) attached by tc'),
    });
  });
});

describe('errors of attaching', () => {
  it('name a device that is not there', () => {
    expect(results['no device']).toEqual({
      code: 'ENODEV',
      message: expect.stringContaining('device 999999'),
    });
  });

  it('say what to do where native XDP is not possible', () => {
    expect(results['no native XDP']).toEqual({
      code: 'EOPNOTSUPP',
      message: expect.stringContaining('xdp-generic'),
    });
  });
});
