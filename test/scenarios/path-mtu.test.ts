/** Ways that are narrower than those who use them think, towards the client and towards the backend. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatsView } from '../../src/api/types.ts';
import type { Agent } from '../rig/agent.ts';
import { UPLINK } from '../rig/one-armed.ts';
import { download, exchangeUdp, LARGE_FILE_HASH, upload } from '../rig/traffic/checks.ts';
import { ERROR_TABLE, ERRORS_APART, routeVips } from '../rig/traffic/network.ts';
import { NARROW_MTU, NARROW_PATHS, type TrafficPath, WIDE_PATHS } from '../rig/traffic/paths.ts';
import { forgetMtus, learnedMtu } from '../rig/traffic/route-mtu.ts';
import { ipBatch, standTrafficRig, type TrafficRig } from '../rig/traffic/stand.ts';
import { CLIENT_ADDRESS, CLIENT_PATH_MTU, LBS } from '../rig/traffic/topology.ts';
import { waitFor } from '../rig/wait.ts';

const named = (paths: readonly TrafficPath[]) => paths.map((path) => [path.name, path] as const);

async function countEvent(agent: Agent, name: string): Promise<number> {
  const { events } = await agent.get<StatsView>('/v1/stats');
  return events.find(({ event }) => event === name)?.packets ?? 0;
}

/** Bytes before the packet. */
function overhead({ mode, outer }: TrafficPath): number {
  const ip = outer === 4 ? 20 : 40;
  return { snat: 0, l2: 0, ipip: ip, gue: ip + 12 }[mode];
}

/** What client2 may be to the server. */
function clientsOf({ mode, family }: TrafficPath): readonly string[] {
  if (mode !== 'snat') return [CLIENT_ADDRESS.client2[family]];
  return family === 4 ? ['10.50.1.0', '10.50.1.1'] : ['2001:db8:50:1::', '2001:db8:50:1::1'];
}

describe.each(['xdp', 'tc'] as const)('through %s', (hook) => {
  let stand: TrafficRig;
  beforeAll(async () => {
    stand = await standTrafficRig(`pm-${hook}`, hook);
    await ipBatch(stand.rig, 'router1', ERRORS_APART);
    // Leaving frames are completed in software, as on a device that cannot: answers to what came
    // with a partial checksum must be right then too.
    for (const lb of LBS) await stand.rig.exec(lb, ['ethtool', '-K', UPLINK, 'tx', 'off']);
  });
  afterAll(() => stand?.rig.destroy());

  describe.each(named(WIDE_PATHS))('a client behind a narrow link, %s', (_, path) => {
    const server = path.mode === 'l2' ? 'host1' : 'pod1';
    // A SNAT flow is known to the node that it goes through, and to no other.
    const errors = path.mode === 'snat' ? 'lb1' : 'lb2';

    it(`is heard of by errors that come to ${errors}, while the flow goes through lb1`, async () => {
      await ipBatch(stand.rig, 'router1', routeVips(errors, ERROR_TABLE));
      const before = await countEvent(stand.lbs[errors], 'icmp-forwarded');
      expect(await download(stand.rig, 'client2', path)).toEqual(Array(3).fill(LARGE_FILE_HASH));
      expect(await learnedMtu(stand.rig, server, clientsOf(path))).toBe(CLIENT_PATH_MTU);
      expect(await countEvent(stand.lbs[errors], 'icmp-forwarded')).toBeGreaterThan(before);
      await forgetMtus(stand.rig, server);
    });

    it('sends large bodies and datagrams', async () => {
      expect(await upload(stand.rig, 'client2', path)).toEqual([path.name, '4194304', path.name, '4194304']);
      const [small, first, next] = await exchangeUdp(stand.rig, 'client2', path, [1000, 8192, 8192]);
      // IPv6 is not fragmented on the way: one answer is lost by which the server learns.
      expect([small, next]).toEqual([1, 1]);
      expect(first).toBeLessThanOrEqual(path.family === 4 ? 1 : 3);
    });
  });

  it('is warned of by the agent where a device leaves outer headers no room', async () => {
    const { rig, lbs } = stand;
    const narrow = async () =>
      (await lbs.lb2.status()).problems
        .filter(({ code }) => code === 'mtu-too-small')
        .map(({ message }) => message);
    expect(await narrow()).toEqual([]);
    await rig.exec('lb2', ['ip', 'link', 'set', UPLINK, 'mtu', '1551']);
    const warning = expect.stringMatching(
      /^up0 has an MTU of 1551, .* outer header of 52 bytes .* to 1552 or more$/,
    );
    await waitFor('the agent says so', async () => (await narrow()).length > 0);
    expect(await narrow()).toEqual([warning]);
    await rig.exec('lb2', ['ip', 'link', 'set', UPLINK, 'mtu', '1600']);
    await waitFor('it is content again', async () => (await narrow()).length === 0);
  });

  describe.each(named(NARROW_PATHS))('a narrow way to the backend, %s', (_, path) => {
    it('carries 8 KB in fragments', async () => {
      const [one, small, first, next] = await exchangeUdp(stand.rig, 'client1', path, [1, 1000, 8192, 8192]);
      expect([one, small, next]).toEqual([1, 1, 1]);
      // One datagram is lost by which the client learns; SNAT's IPv4 is fragmented on the way.
      expect(first).toBe(path.mode === 'snat' && path.family === 4 ? 1 : 2);
    });

    it('tells the client the MTU that is left', async () => {
      await forgetMtus(stand.rig, 'client1');
      const before = await countEvent(stand.lbs.lb1, 'too-big-answered');
      expect(await upload(stand.rig, 'client1', path)).toEqual([path.name, '4194304', path.name, '4194304']);
      expect(await learnedMtu(stand.rig, 'client1', [path.vip])).toBe(NARROW_MTU - overhead(path));
      expect(await countEvent(stand.lbs.lb1, 'too-big-answered')).toBeGreaterThan(before);
    });
  });
});
