import { describe, expect, it } from 'vitest';
import { agentConfig } from '../../rig/agent-config.ts';
import { oneArmedTopology } from '../../rig/one-armed.ts';

const places = {
  runtimeDirectory: '/run/r',
  bpfDirectory: '/sys/fs/bpf/r',
  manifests: '/run/m',
  seedFile: '/run/seed',
  vipDevice: 'ifb',
} as const;

describe('agentConfig', () => {
  it('gives every node its own SNAT pool', () => {
    const topology = oneArmedTopology({ id: 't', lbs: 2 });
    const pools = ['lb1', 'lb2'].map((lb) => agentConfig(topology, lb, places).snat);
    expect(pools).toEqual([{ addresses: ['10.50.1.0/30'] }, { addresses: ['10.50.2.0/30'] }]);
  });

  it('shares the hash seed when there is more than one node', () => {
    expect(agentConfig(oneArmedTopology({ id: 't' }), 'lb1', places)).not.toHaveProperty('hash');
    expect(agentConfig(oneArmedTopology({ id: 't', lbs: 2 }), 'lb1', places).hash).toEqual({
      nodes: 2,
      seedFile: '/run/seed',
    });
  });

  it('merges overrides key by key and replaces lists', () => {
    const overrides = {
      vips: { echo: false, device: { name: 'v9' } },
      devices: [{ name: 'x', attach: 'tc' }],
    };
    const config = agentConfig(oneArmedTopology({ id: 't' }), 'lb1', places, overrides);
    expect(config).toMatchObject({
      vips: { ranges: ['10.1.0.0/24'], echo: false, device: { name: 'v9', kind: 'ifb' } },
      devices: [{ name: 'x', attach: 'tc' }],
    });
  });
});
