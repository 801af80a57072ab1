import { describe, expect, it } from 'vitest';
import { waitFor } from '../../rig/wait.ts';

describe('waitFor', () => {
  it('returns what was seen at last', async () => {
    let looks = 0;
    const seen = await waitFor('three', async () => (++looks === 3 ? looks : undefined), { interval: 0 });
    expect(seen).toBe(3);
  });

  it('takes a look that throws as not yet', async () => {
    let looks = 0;
    const look = async () => {
      if (++looks < 3) throw new Error('nobody listens');
      return true;
    };
    expect(await waitFor('it', look, { interval: 0 })).toBe(true);
  });

  it('says what it waited for, why the last look failed, and shows the evidence', async () => {
    const failing = async () => {
      throw new Error('nobody listens');
    };
    const waiting = waitFor('the port opens', failing, {
      timeout: 0,
      evidence: async () => 'log: out of memory',
    });
    await expect(waiting).rejects.toThrow(
      'the port opens: not within 0 s\nlast look: nobody listens\nlog: out of memory',
    );
  });

  it('does not lose its error when the evidence cannot be had', async () => {
    const evidence = () => Promise.reject(new Error('no log'));
    await expect(waitFor('it', async () => false, { timeout: 0, evidence })).rejects.toThrow(
      /^it: not within.*\n.*no log/,
    );
  });
});
