/** Real clients and servers on every way that packets can travel, in both families, on all hooks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UPLINK } from '../rig/one-armed.ts';
import {
  askDns,
  clientSeen,
  download,
  exchangeUdp,
  iperf,
  LARGE_FILE_HASH,
  ping,
  TRACE_METHODS,
  trace,
  upload,
} from '../rig/traffic/checks.ts';
import { WIDE_PATHS } from '../rig/traffic/paths.ts';
import { standTrafficRig, type TrafficRig } from '../rig/traffic/stand.ts';
import { CLIENT_ADDRESS } from '../rig/traffic/topology.ts';

const CLIENT = 'client1';
const ROUTER = { 4: '10.10.1.1', 6: '2001:db8:10:1::1' };
const WORKER = { 4: '10.20.0.20', 6: '2001:db8:20::20' };
/** Of some 9,000 segments. */
const FEW_RETRANSMITS = 180;

describe.each(['xdp', 'tc'] as const)('through %s', (hook) => {
  let stand: TrafficRig;
  beforeAll(async () => {
    stand = await standTrafficRig(`tp-${hook}`, hook);
  });
  afterAll(() => stand?.rig.destroy());

  describe.each(WIDE_PATHS.map((path) => [path.name, path] as const))('%s', (_, path) => {
    const server = path.mode === 'l2' ? 'host1' : 'pod1';

    it('shows the server whom it shall see', async () => {
      const seen = await clientSeen(stand.rig, CLIENT, path);
      if (path.mode === 'snat')
        expect(seen).toMatch(path.family === 4 ? /^10\.50\.1\.[01]$/ : /^2001:db8:50:1::[01]?$/);
      else expect(seen).toBe(CLIENT_ADDRESS[CLIENT][path.family]);
    });

    it('carries large bodies both ways, on new and on used connections', async () => {
      expect(await download(stand.rig, CLIENT, path)).toEqual(Array(3).fill(LARGE_FILE_HASH));
      expect(await upload(stand.rig, CLIENT, path)).toEqual([path.name, '4194304', path.name, '4194304']);
    });

    it.each(['+notcp', '+tcp'])('carries DNS %s', async (transport) => {
      expect(await askDns(stand.rig, CLIENT, path, transport)).toBe(`"${server}"`);
    });

    it.each([false, true])('carries iperf3 without much loss, reverse %s', async (reverse) => {
      const { bytes, retransmits } = await iperf(stand.rig, CLIENT, path, reverse);
      expect(bytes).toBeGreaterThanOrEqual(8 << 20);
      expect(retransmits).toBeLessThan(FEW_RETRANSMITS);
    });

    it('carries datagrams, and 8 KB in fragments, both ways at the first try', async () => {
      expect(await exchangeUdp(stand.rig, CLIENT, path, [1, 1000, 8192, 8192, 16_000])).toEqual([
        1, 1, 1, 1, 1,
      ]);
    });

    it('answers pings, also in fragments', async () => {
      expect(await ping(stand.rig, CLIENT, path, 56)).toBe(3);
      expect(await ping(stand.rig, CLIENT, path, 8000)).toBe(3);
    });

    it.each(Object.keys(TRACE_METHODS) as Array<keyof typeof TRACE_METHODS>)(
      'shows as a hop to traceroute by %s',
      async (method) => {
        const hops = await trace(stand.rig, CLIENT, path, method);
        // The LB node speaks as the VIP. It answers echo requests itself, and says which ports it does not have.
        const behind =
          method !== 'TCP' ? [] : path.mode === 'l2' ? [path.vip] : [WORKER[path.family], path.vip];
        const own = method === 'UDP' ? [path.vip, path.vip] : [path.vip];
        expect(hops).toEqual([ROUTER[path.family], ...own, ...behind]);
      },
    );
  });
});

/** One of each mode: what generic XDP has of its own is how frames get to the programs and leave them. */
const GENERIC_PATHS = WIDE_PATHS.filter(({ name }) =>
  ['snat6', '4in4', '6in4', 'gue4', 'l2-4'].includes(name),
);

describe('through xdp-generic', () => {
  let stand: TrafficRig;
  beforeAll(async () => {
    stand = await standTrafficRig('tp-gen', 'xdp-generic');
  });
  afterAll(() => stand?.rig.destroy());

  it('is attached that way on LB node and worker', async () => {
    for (const node of ['lb1', 'worker1']) {
      const { stdout } = await stand.rig.exec(node, ['ip', '-j', '-d', 'link', 'show', UPLINK]);
      const [link] = JSON.parse(stdout) as Array<{ xdp?: { mode: number } }>;
      // XDP_ATTACHED_SKB of linux/if_link.h
      expect(link?.xdp?.mode, node).toBe(2);
    }
  });

  it.each(GENERIC_PATHS.map((path) => [path.name, path] as const))(
    'carries large bodies, datagrams, fragments and pings, %s',
    async (_, path) => {
      expect(await download(stand.rig, CLIENT, path)).toEqual(Array(3).fill(LARGE_FILE_HASH));
      expect(await upload(stand.rig, CLIENT, path)).toEqual([path.name, '4194304', path.name, '4194304']);
      expect(await exchangeUdp(stand.rig, CLIENT, path, [1, 1000, 8192])).toEqual([1, 1, 1]);
      expect(await ping(stand.rig, CLIENT, path, 56)).toBe(3);
    },
  );
});
