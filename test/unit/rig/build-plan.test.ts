import { describe, expect, it } from 'vitest';
import { buildSteps, groupSteps, type Step } from '../../rig/build-plan.ts';
import { oneArmedTopology } from '../../rig/one-armed.ts';

const lines = (steps: readonly Step[]) =>
  steps.map((step) => `${step.netns ?? 'root'}: ${step.program} ${step.args.join(' ')}`);
const plan = (options: { lbVlan?: number; mtu?: number } = {}) =>
  lines(buildSteps(oneArmedTopology({ id: 't', workers: 1, webPods: 1, ...options }), '/pin'));

describe('buildSteps', () => {
  it('makes namespaces first, then sets their defaults, then makes devices', () => {
    const steps = plan();
    const kind = (line: string) =>
      line.includes('netns add') ? 0 : line.includes('sysctl') ? 1 : line.includes('type veth') ? 2 : 3;
    const order = steps.map(kind);
    expect(order).toEqual([...order].sort());
    expect(steps.filter((line) => line.includes('netns add'))).toHaveLength(4);
  });

  it('makes veth pairs inside their namespaces, with queues and MTU on both ends', () => {
    expect(plan({ mtu: 9000 })).toContain(
      'root: ip link add name up0 netns l4lb-t-lb1 numtxqueues 2 numrxqueues 2 mtu 9000 type veth ' +
        'peer name lb1 netns l4lb-t-router1 numtxqueues 2 numrxqueues 2 mtu 9000',
    );
  });

  it('adds routes only after every device of the node is up and has its address', () => {
    const router = plan().filter((line) => line.startsWith('l4lb-t-router1: ip '));
    const firstRoute = router.findIndex((line) => line.includes('route add'));
    const lastAddress = router.findLastIndex((line) => line.includes('address add'));
    expect(firstRoute).toBeGreaterThan(lastAddress);
  });

  it('puts a native program on the peer of an XDP device and nowhere else', () => {
    expect(plan().filter((line) => line.includes('xdp'))).toEqual([
      'l4lb-t-router1: bpftool net attach xdpdrv pinned /pin dev lb1',
    ]);
  });

  it('turns offloads off only towards an XDP device', () => {
    expect(plan().filter((line) => line.includes('ethtool'))).toEqual([
      'l4lb-t-router1: ethtool -K lb1 tx off',
    ]);
  });

  it('puts addresses on the VLAN devices of a tagged link, and tags into the frames', () => {
    const steps = plan({ lbVlan: 7 });
    expect(steps).toContain('l4lb-t-lb1: ip link add link up0 name up0.7 type vlan id 7');
    expect(steps).toContain('l4lb-t-lb1: ip address add 10.20.1.2/24 dev up0.7');
    expect(steps).toContain('l4lb-t-router1: ip address add 10.20.1.1/24 dev lb1.7');
    expect(steps).toContain('l4lb-t-router1: ethtool -K lb1 tx off txvlan off');
    expect(steps).not.toContain('l4lb-t-lb1: ip address add 10.20.1.2/24 dev up0');
  });

  it('gives the pods of a worker their addresses', () => {
    expect(plan()).toEqual(expect.arrayContaining(['l4lb-t-worker1: ip address add 10.40.1.1/32 dev lo']));
  });
});

describe('groupSteps', () => {
  const step = (netns: string | null, program: Step['program'], word: string): Step => ({
    netns,
    program,
    args: [word],
  });

  it('merges neighbours of the same namespace and program, and keeps the order', () => {
    const steps = [
      step('a', 'ip', '1'),
      step('a', 'ip', '2'),
      step('b', 'ip', '3'),
      step('b', 'sysctl', '4'),
      step('a', 'ip', '5'),
    ];
    const groups = groupSteps(steps);
    expect(groups).toEqual([
      { netns: 'a', program: 'ip', calls: [['1'], ['2']] },
      { netns: 'b', program: 'ip', calls: [['3']] },
      { netns: 'b', program: 'sysctl', calls: [['4']] },
      { netns: 'a', program: 'ip', calls: [['5']] },
    ]);
    expect(groups.flatMap((group) => group.calls)).toEqual(steps.map((each) => each.args));
  });
});
