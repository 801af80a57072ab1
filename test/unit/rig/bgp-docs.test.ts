/** docs/bgp.md shows the configurations that the rig runs, to the letter. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lbBgp, routerConfig } from '../../rig/bgp.ts';
import { birdConfig } from '../../rig/bird-config.ts';
import { frrLbConfig } from '../../rig/frr-config.ts';
import { oneArmedTopology } from '../../rig/one-armed.ts';

const page = readFileSync(new URL('../../../docs/bgp.md', import.meta.url), 'utf8');
const topology = oneArmedTopology({ id: 'docs', lbs: 2 });
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]);

describe('docs/bgp.md', () => {
  it('shows the generated bird.conf', () => {
    expect(blocks('bird')).toEqual([birdConfig(lbBgp(topology, 'lb1'))]);
  });

  it('shows the generated frr.conf of an LB node and of the router', () => {
    expect(blocks('frr')).toEqual([frrLbConfig(lbBgp(topology, 'lb1'), 'lb1'), routerConfig(topology)]);
  });
});

describe('generated configurations', () => {
  it('announce the pool of their own node', () => {
    expect(birdConfig(lbBgp(topology, 'lb2'))).toContain('route 10.50.2.0/30 blackhole;');
    expect(frrLbConfig(lbBgp(topology, 'lb2'), 'lb2')).toContain('network 10.50.2.0/30');
  });

  it('speak BFD on the device that carries the address', () => {
    const tagged = oneArmedTopology({ id: 't', lbVlan: 7 });
    expect(birdConfig(lbBgp(tagged, 'lb1'))).toContain('interface "up0.7"');
  });

  it('has every LB node as a neighbour of the router', () => {
    expect(routerConfig(oneArmedTopology({ id: 't', lbs: 3 })).match(/remote-as 65001/g)).toHaveLength(3);
  });
});
