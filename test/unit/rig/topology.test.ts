import { describe, expect, it } from 'vitest';
import { addressPlan, oneArmedTopology, podsOf } from '../../rig/one-armed.ts';
import { addressedDevice, nodeOf, nodesOf, topologyErrors } from '../../rig/topology.ts';

describe('oneArmedTopology', () => {
  it('has one link to the router for every other node', () => {
    const topology = oneArmedTopology({ id: 't', clients: 3, lbs: 2, workers: 4 });
    expect(nodesOf(topology, 'client').map((node) => node.name)).toEqual(['client1', 'client2', 'client3']);
    expect(nodesOf(topology, 'lb')).toHaveLength(2);
    expect(nodesOf(topology, 'worker')).toHaveLength(4);
    expect(topology.links.map((link) => link.ends[0].node)).toEqual(
      topology.nodes.filter((node) => node.role !== 'router').map((node) => node.name),
    );
    expect(topology.links.every((link) => link.ends[1].node === 'router1')).toBe(true);
  });

  it.each([{}, { clients: 99, lbs: 99, workers: 99, webPods: 99 }, { lbVlan: 4094 }, { mtu: 9000 }])(
    'can be built with %j',
    (options) => {
      expect(topologyErrors(oneArmedTopology({ id: 'x', ...options }))).toEqual([]);
    },
  );

  it('keeps clients, LB nodes and workers in subnets of their own', () => {
    const topology = oneArmedTopology({ id: 't' });
    const subnets = topology.links.map((link) => link.ends[0].address.replace(/\d+\/24$/, ''));
    expect(new Set(subnets).size).toBe(topology.links.length);
  });

  it('gives the LB nodes what the agent has to change, and the router what the fabric needs', () => {
    const topology = oneArmedTopology({ id: 't' });
    expect(nodeOf(topology, 'lb1').sysctls).toMatchObject({
      'net.ipv4.ip_forward': '0',
      'net.ipv4.conf.all.rp_filter': '1',
    });
    expect(nodeOf(topology, 'router1').sysctls).toMatchObject({
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.rp_filter': '0',
      'net.ipv4.fib_multipath_hash_policy': '1',
    });
  });

  it('names pods after their worker', () => {
    const pods = podsOf(oneArmedTopology({ id: 't', webPods: 1 }));
    expect(pods.map((pod) => pod.name)).toEqual(['web-1-1', 'dns-1', 'echo-1', 'web-2-1', 'dns-2', 'echo-2']);
    expect(pods[3]?.address).toBe(addressPlan.pod(2, 1));
  });

  it.each([0, -1, 100, 1.5])('refuses %d workers', (workers) => {
    expect(() => oneArmedTopology({ id: 't', workers })).toThrow(
      `workers ${workers}: must be a whole number`,
    );
  });
});

describe('topologyErrors', () => {
  const good = oneArmedTopology({ id: 't' });
  const [link] = good.links;
  if (link === undefined) throw new Error('no link');

  it.each(['', 'Upper', 'a b', '-a', 'x'.repeat(21), 'a/b'])('refuses the id "%s"', (id) => {
    expect(topologyErrors({ ...good, id })).toEqual([expect.stringContaining(`id "${id}"`)]);
  });

  it('names nodes, devices and addresses that are declared twice', () => {
    const twice = topologyErrors({
      ...good,
      links: [...good.links, link],
      nodes: [...good.nodes, ...good.nodes.slice(0, 1)],
    });
    expect(twice).toEqual([
      'node router1 is declared twice',
      'device client1/up0 is declared twice',
      'device router1/client1 is declared twice',
      'address 10.10.1.2 is declared twice',
      'address 10.10.1.1 is declared twice',
    ]);
  });

  it('names an unknown node, a device name that is too long, a bad tag and a bad number of queues', () => {
    const [a, b] = link.ends;
    const bad = {
      ...link,
      ends: [
        { ...a, node: 'nobody' },
        { ...b, device: 'abcdefghijkl' },
      ] as const,
      vlan: 4095,
      queues: 0,
    };
    expect(topologyErrors({ ...good, links: [bad] })).toEqual([
      'link end nobody/up0: there is no such node',
      'device abcdefghijkl.4095 of router1: longer than 15 characters',
      'vlan 4095: must be 1 to 4094',
      'queues 0: must be at least 1',
    ]);
  });
});

describe('nodeOf', () => {
  it('says which nodes there are', () => {
    expect(() => nodeOf(oneArmedTopology({ id: 't', workers: 1 }), 'lb9')).toThrow(
      'no node lb9 in rig t; there are router1, client1, lb1, worker1',
    );
  });
});

describe('addressedDevice', () => {
  it('is the VLAN device of a tagged link', () => {
    const tagged = oneArmedTopology({ id: 't', lbVlan: 7 }).links.find((link) => link.vlan !== undefined);
    if (tagged === undefined) throw new Error('no tagged link');
    expect(tagged.ends.map((end) => addressedDevice(tagged, end))).toEqual(['up0.7', 'lb1.7']);
  });
});
