import { describe, expect, test } from 'vitest';
import {
  classifyMonitorLine,
  type MonitoredProcess,
  NetlinkMonitor,
  type NetworkChange,
} from '../../../src/node/netlink-monitor.ts';

describe('lines of ip monitor', () => {
  test.each([
    ['[NEIGH]192.168.9.3 dev veth0 lladdr 02:00:00:00:00:01 PERMANENT ', 'neighbour'],
    ['[NEIGH]Deleted 192.168.9.2 dev veth0 managed INCOMPLETE ', 'neighbour'],
    ['[LINK]2: veth1@veth0: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN', 'link'],
    ['[ROUTE]1.2.3.0/24 via 192.168.9.3 dev veth0 linkdown ', 'route'],
    ['[ROUTE]Deleted 1.2.3.0/24 via 192.168.9.3 dev veth0', 'route'],
    ['[ADDR]3: veth0    inet 5.5.5.5/32 scope global veth0', 'address'],
    ['[ROUTE]2001:db8:b::/64 dev veth0 proto kernel metric 256 pref medium', 'route'],
    ['[ADDR]3: veth0    inet6 2001:db8:b::1/64 scope global tentative ', 'address'],
    ['[NEIGH]ff02::16 dev veth0 lladdr 33:33:00:00:00:16 NOARP', undefined],
    ['    link/ether 3e:7e:34:38:36:d0 brd ff:ff:ff:ff:ff:ff', undefined],
    ['[NEIGH]224.0.0.22 dev veth0 lladdr 01:00:5e:00:00:16 NOARP', undefined],
    ['[ROUTE]Deleted multicast ff00::/8 dev veth1', undefined],
    ['[NSID]nsid 3', undefined],
    ['', undefined],
    ['\u0000garbage [NEIGH]', undefined],
  ])('%j', (line, expected) => {
    expect(classifyMonitorLine(line)).toBe(expected);
  });
});

function processOf(lines: string[], open: Promise<void>): MonitoredProcess {
  async function* read(): AsyncGenerator<string> {
    yield* lines;
    await open;
  }
  return { lines: read(), ended: open.then(() => 'ended with exit code 1'), kill: () => undefined };
}

describe('the monitor', () => {
  test('joins what comes together, starts again when it dies, and then looks at everything', async () => {
    const seen: NetworkChange[][] = [];
    const troubles: string[] = [];
    let second: () => void = () => undefined;
    const reported = new Promise<void>((resolve) => {
      second = resolve;
    });
    let stop: () => void = () => undefined;
    const untilStopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    let starts = 0;
    const monitor = new NetlinkMonitor({
      start: () => {
        starts += 1;
        const lines = ['[NEIGH]10.0.0.1 dev a', '[NEIGH]10.0.0.2 dev a', '[LINK]2: a', 'nonsense'];
        return starts === 1
          ? processOf(lines, new Promise((resolve) => setTimeout(resolve, 60)))
          : processOf([], untilStopped);
      },
      onChange: (changes) => {
        seen.push([...changes].sort());
        if (seen.length === 2) second();
      },
      onTrouble: (message) => troubles.push(message),
      debounceMs: 1,
      restartMs: 1,
    });
    monitor.start();
    await reported;
    stop();
    await monitor.stop();
    expect(seen).toEqual([
      ['link', 'neighbour'],
      ['address', 'link', 'neighbour', 'route'],
    ]);
    expect(troubles).toEqual(['ip monitor ended with exit code 1; starting it again']);
    expect(starts).toBe(2);
  });
});
