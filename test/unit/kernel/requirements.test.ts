import { describe, expect, it } from 'vitest';
import { buildDirectory } from '../../../src/kernel/build-directory.ts';
import { checkRequirements } from '../../../src/kernel/requirements.ts';

const fit = { uid: 0, kernelRelease: '6.1.0-18-amd64', hasBtf: true };

describe('checkRequirements', () => {
  it.each(['5.17.0', '5.17-rc1', '6.1.0-18-amd64', '10.0.1'])('accepts Linux %s', (kernelRelease) => {
    expect(() => checkRequirements({ ...fit, kernelRelease })).not.toThrow();
  });

  it.each(['5.16.20', '4.19.0-5-amd64', '5.4'])('refuses Linux %s', (kernelRelease) => {
    expect(() => checkRequirements({ ...fit, kernelRelease })).toThrow(
      expect.objectContaining({ code: 'KERNEL_TOO_OLD', message: expect.stringContaining(kernelRelease) }),
    );
  });

  it('says that root is needed before anything else', () => {
    expect(() => checkRequirements({ uid: 1000, kernelRelease: '4.0', hasBtf: false })).toThrow(
      expect.objectContaining({ code: 'NOT_ROOT' }),
    );
  });

  it('says that the kernel has no BTF', () => {
    expect(() => checkRequirements({ ...fit, hasBtf: false })).toThrow(
      expect.objectContaining({ code: 'NO_BTF' }),
    );
  });
});

describe('buildDirectory', () => {
  it('is beside the sources, unless the environment names another', () => {
    expect(buildDirectory({})).toMatch(/\/build$/);
    expect(buildDirectory({ L4LB_BUILD_DIR: '/opt/l4lb/build' })).toBe('/opt/l4lb/build');
  });
});
