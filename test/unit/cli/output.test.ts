/** What each command prints on the fixtures, in every format. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControllerView } from '../../../src/api/types.ts';
import { renderStatus } from '../../../src/cli/views/status-page.ts';
import { type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { lbctl } from './fake-host.ts';
import { connections, NOW, services, stats, status } from './fixtures.ts';

let agent: FakeAgent;
beforeAll(async () => {
  agent = await startFakeAgent();
});
afterAll(() => agent.close());

const PLAIN = {
  styler: (_style: string, text: string) => text,
  headers: true,
  width: undefined,
  unicode: true,
  wide: false,
  now: NOW,
  previous: undefined,
};

async function printed(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await lbctl(['--socket', agent.socket, ...words]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

describe('lbctl service list', () => {
  it('has the look that operators know from Cilium, to the space', async () => {
    const dns = services.filter((service) => service.name === 'dns');
    const one = await startFakeAgent();
    one.answer('/v1/services', (_request, response) => response.end(JSON.stringify(dns)));
    const { stdout } = await lbctl(['--socket', one.socket, 'service', 'list']);
    await one.close();
    expect(stdout).toBe(
      [
        'ID   Frontend         Service Type   Backend',
        '62   10.1.0.2:53/UDP  ExternalIPs    1 => 192.168.1.234:53 (active)',
        '                                     2 => 192.168.2.172:53 (active)',
        '',
      ].join('\n'),
    );
  });

  it('names draining backends and services without any', async () => {
    expect(await printed('service', 'list')).toMatchInlineSnapshot(`
      "ID   Frontend           Service Type   Backend
      62   10.1.0.2:53/UDP    ExternalIPs    1 => 192.168.1.234:53 (active)
                                             2 => 192.168.2.172:53 (active)
      64   10.1.0.10:443/TCP  LoadBalancer   1 => 192.168.1.20:8443 (active)
                                             2 => 192.168.1.21:8443 (active)
                                             3 => 192.168.1.22:8443 (draining: terminating)
      65   10.1.0.11:80/TCP   ExternalIPs    -
      "
    `);
  });

  it('prints everything else in wide', async () => {
    expect(await printed('service', 'list', '-o', 'wide')).toMatchInlineSnapshot(`
      "ID   Frontend           Service Type   Mode   Service        Backend                                          Weight    Share   Active Flows   Packets In   Packets Out
      62   10.1.0.2:53/UDP    ExternalIPs    snat   default/dns    1 => 192.168.1.234:53 (active)                        1   50.0 %             12       45.1 K        90.2 K
                                                                   2 => 192.168.2.172:53 (active)                        1   50.0 %              9       45.0 K        90.0 K
      64   10.1.0.10:443/TCP  LoadBalancer   snat   shop/web       1 => 192.168.1.20:8443 (active)                       3   75.0 %           1480        1.2 M         2.5 M
                                                                   2 => 192.168.1.21:8443 (active)                       1   25.0 %            492        412 K         823 K
                                                                   3 => 192.168.1.22:8443 (draining: terminating)        0    0.0 %             17       90.2 K         180 K
      65   10.1.0.11:80/TCP   ExternalIPs    snat   shop/staging   -
      "
    `);
  });

  it('prints in json exactly what the agent has, by id', async () => {
    const sorted = [...services].sort((a, b) => a.id - b.id);
    expect(JSON.parse(await printed('service', 'list', '-o', 'json'))).toEqual(sorted);
  });

  it('prints in yaml exactly what the agent has, by id', async () => {
    const { parse } = await import('yaml');
    const sorted = [...services].sort((a, b) => a.id - b.id);
    expect(parse(await printed('service', 'list', '-o', 'yaml'))).toEqual(sorted);
  });

  it('sorts by a key, numbers from the largest, and the other way round', async () => {
    const ids = async (...words: string[]) =>
      (JSON.parse(await printed('service', 'list', '-o', 'json', ...words)) as typeof services).map(
        ({ id }) => id,
      );
    expect(await ids('--sort', 'flows')).toEqual([64, 62, 65]);
    expect(await ids('--sort', 'flows', '--reverse')).toEqual([65, 62, 64]);
    expect(await ids('--sort', 'frontend')).toEqual([62, 64, 65]);
    expect(await ids('--sort', 'name')).toEqual([62, 65, 64]);
  });
});

describe('tables', () => {
  it('of lbctl service get', async () => {
    expect(await printed('service', 'get', 'shop/web')).toMatchInlineSnapshot(`
      "Service:        shop/web
      Port name:      https
      Frontend:       10.1.0.10:443/TCP
      ID:             64
      Type:           LoadBalancer
      Mode:           snat
      Clients:        everybody
      Table:          4099 slots
      Active flows:   1989
      New flows:      29.0 K
      Traffic in:     1.7 M packets, 132 MiB
      Traffic out:    3.5 M packets, 2.4 GiB
      Dropped:        no-flow: 31 packets

      Backend             State                   Weight    Share   Active Flows    Flows   Packets In   Packets Out   Next Hop     Pod                    Node
      192.168.1.20:8443   active                       3   75.0 %           1480   20.5 K        1.2 M         2.5 M   valid        shop/web-7d4b9-x2x8p   worker-1
      192.168.1.21:8443   active                       1   25.0 %            492     6811        412 K         823 K   unresolved   shop/web-7d4b9-k9mzr   worker-2
      192.168.1.22:8443   draining: terminating        0    0.0 %             17     1700       90.2 K         180 K   valid        shop/web-7d4b9-l0pqa   worker-3
      "
    `);
  });
  it('of lbctl backend list', async () => {
    expect(await printed('backend', 'list')).toMatchInlineSnapshot(`
      "Backend             Frontend            State                   Weight    Share   Active Flows   Next Hop
      192.168.1.20:8443   10.1.0.10:443/TCP   active                       3   75.0 %           1480   valid
      192.168.1.21:8443   10.1.0.10:443/TCP   active                       1   25.0 %            492   unresolved
      192.168.1.22:8443   10.1.0.10:443/TCP   draining: terminating        0    0.0 %             17   valid
      192.168.1.234:53    10.1.0.2:53/UDP     active                       1   50.0 %             12   valid
      192.168.2.172:53    10.1.0.2:53/UDP     active                       1   50.0 %              9   valid
      "
    `);
    expect(await printed('backend', 'list', '-o', 'wide', '--service', 'dns')).toMatchInlineSnapshot(`
      "Backend            Frontend          State    Weight    Share   Active Flows   Next Hop   Index   Slots    Flows   Packets In   Bytes In   Packets Out   Bytes Out   Service       Pod             Node
      192.168.1.234:53   10.1.0.2:53/UDP   active        1   50.0 %             12   valid        128    2050   44.0 K       45.1 K    3.4 MiB        90.2 K    64.5 MiB   default/dns   default/dns-0   worker-1
      192.168.2.172:53   10.1.0.2:53/UDP   active        1   50.0 %              9   valid        129    2049   43.9 K       45.0 K    3.4 MiB        90.0 K    64.4 MiB   default/dns   default/dns-1   worker-2
      "
    `);
  });
  it('of lbctl conn list', async () => {
    expect(await printed('conn', 'list')).toMatchInlineSnapshot(`
      "Protocol   Client               Frontend            Backend             State         Idle
      TCP        203.0.113.7:51514    10.1.0.10:443/TCP   192.168.1.20:8443   established     3s
      TCP        203.0.113.70:40022   10.1.0.10:443/TCP   192.168.1.21:8443   closed         41s
      UDP        198.51.100.9:33333   10.1.0.2:53/UDP     192.168.1.234:53    udp-replied     0s
      "
    `);
    expect(await printed('conn', 'list', '-o', 'wide')).toMatchInlineSnapshot(`
      "Protocol   Client               Frontend            Backend             State         Idle   Expires In   SNAT              Service
      TCP        203.0.113.7:51514    10.1.0.10:443/TCP   192.168.1.20:8443   established     3s         2h9m   10.2.0.16:20001   shop/web
      TCP        203.0.113.70:40022   10.1.0.10:443/TCP   192.168.1.21:8443   closed         41s          19s   10.2.0.16:20002   shop/web
      UDP        198.51.100.9:33333   10.1.0.2:53/UDP     192.168.1.234:53    udp-replied     0s           2m   10.2.0.17:1024    default/dns
      "
    `);
  });
  it('of lbctl stats', async () => {
    expect(await printed('stats')).toMatchInlineSnapshot(`
      "Drops:
      Reason         Packets      Bytes   Meaning
      unknown-port      1502   64.5 KiB   The VIP is served, this port is not. Scans do this; else check the ports of the Service.
      no-flow             31    1.2 KiB   TCP without SYN and without a known flow: older than its timeout, or from another node.
      no-backend           7      420 B   The service has no backend for new flows: check its EndpointSlices.

      Events:
      Event           Packets     Bytes   Meaning
      echo-answered        60   4.9 KiB   Pings of a VIP that were answered.

      Services:
      Frontend            Service         Flows   Packets In   Bytes In   Packets Out   Bytes Out   Dropped
      10.1.0.10:443/TCP   shop/web       29.0 K        1.7 M    132 MiB         3.5 M     2.4 GiB        31
      10.1.0.2:53/UDP     default/dns    87.9 K       90.1 K    6.9 MiB         180 K     129 MiB         0
      10.1.0.11:80/TCP    shop/staging        0            0        0 B             0         0 B         7
      "
    `);
    expect(await printed('stats', '--all', '-o', 'wide')).toMatchInlineSnapshot(`
      "Drops:
      Reason         Packets      Bytes   Meaning
      unknown-port      1502   64.5 KiB   The VIP is served, this port is not. Scans do this; else check the ports of the Service.
      no-flow             31    1.2 KiB   TCP without SYN and without a known flow: older than its timeout, or from another node.
      no-backend           7      420 B   The service has no backend for new flows: check its EndpointSlices.
      truncated            0        0 B   The packet is shorter than its headers say.

      Events:
      Event           Packets     Bytes   Meaning
      echo-answered        60   4.9 KiB   Pings of a VIP that were answered.
      snat-shared           0       0 B   Flows on a port that another flow uses too.

      Services:
      Frontend            Service         Flows   Packets In   Bytes In   Packets Out   Bytes Out   Dropped
      10.1.0.10:443/TCP   shop/web       29.0 K        1.7 M    132 MiB         3.5 M     2.4 GiB   no-flow 31
      10.1.0.2:53/UDP     default/dns    87.9 K       90.1 K    6.9 MiB         180 K     129 MiB   0
      10.1.0.11:80/TCP    shop/staging        0            0        0 B             0         0 B   no-backend 7
      "
    `);
  });
  it('of lbctl maglev show', async () => {
    expect(await printed('maglev', 'show', 'shop/web')).toMatchInlineSnapshot(`
      "Frontend:      10.1.0.10:443/TCP
      Service:       shop/web
      Slots:         4099
      Fingerprint:   9f2c41d07be60064

      Backend             Weight   Wanted   Slots    Share
      192.168.1.20:8443        3   3074.3    3074   75.0 %   ████████████████████████████████████████
      192.168.1.21:8443        1   1024.8    1025   25.0 %   █████████████
      "
    `);
  });
  it('of lbctl status', async () => {
    expect(await printed('status')).toMatchInlineSnapshot(`
      "Node:         lb-1
      Agent:        running, version 0.1.0, pid 812, for 3h12m
      Health:       ok
      Announced:    yes
      VIP device:   lb-vip0 up, 10.1.0.1/24
      Devices:      eth0 xdp attached, program 41
                    eth1 tc not attached
      Source:       manifests in /etc/l4lb/manifests, synced, 7 objects, last change 5m ago
      Services:     3 services, 5 backends
      Flows:        2010 active
      SNAT:         10.2.0.16, 10.2.0.17, ports 1024-65535, 2301 of 197 K records used (1.2 %)
      Maps:         128 MiB, layout 2
      Hash seed:    5be0cd19137e2179
      Problems:     1 error, 1 warning: see lbctl problems
      "
    `);
  });
  it('of who writes to the cluster', () => {
    const writes = { status: 3, events: 1, failed: 0 };
    const pools = [
      { name: 'public', family: 4 as const, size: 84, used: 12 },
      { name: 'public', family: 6 as const, size: 65_536, used: 0 },
    ];
    const line = (controller: ControllerView): string | undefined =>
      /^Controller: +(.*)$/m.exec(renderStatus({ ...status, controller }, PLAIN))?.[1];
    expect(line({ leads: true, leader: 'lb-1_0a', pools, waiting: 1, writes })).toBe(
      'leading, public IPv4 12 of 84 used, public IPv6 0 of 65.5 K used, 1 service waiting',
    );
    expect(line({ leads: false, leader: 'lb-2_0b', writes })).toBe('led by lb-2_0b');
    expect(line({ leads: false, leader: '', writes })).toBe('no leader known');
  });
  it('of lbctl problems', async () => {
    expect(await printed('problems')).toMatchInlineSnapshot(`
      "Severity   Code           Object                 Place                              Message
      error      yaml-syntax    -                      /etc/l4lb/manifests/blog.yaml:12   A mapping value is not allowed here. Correct the file; the former state stays.
      warning    no-endpoints   Service shop/staging   -                                  Service shop/staging has no endpoints: its VIP answers with reject. Create an EndpointSlice.
      "
    `);
  });
});

describe('every view', () => {
  const views: ReadonlyArray<readonly [words: string[], data: unknown]> = [
    [['service', 'get', 'dns'], services.filter(({ name }) => name === 'dns')],
    [['conn', 'list'], connections],
    [['stats'], stats],
    [['status'], status],
  ];
  it.each(views)('%j gives the exact data in json and yaml', async (words, data) => {
    const { parse } = await import('yaml');
    expect(JSON.parse(await printed(...words, '-o', 'json'))).toEqual(data);
    expect(parse(await printed(...words, '-o', 'yaml'))).toEqual(data);
  });

  const tables = [
    ['service', 'list'],
    ['service', 'get', 'web'],
    ['backend', 'list'],
    ['conn', 'list'],
    ['stats', '--all'],
    ['maglev', 'show', 'web'],
    ['status'],
    ['problems'],
  ];
  it.each(tables)('%s %s has no spaces at line ends, nor colours away from a terminal', async (...words) => {
    for (const format of ['table', 'wide']) {
      const text = await printed(...words, '-o', format);
      expect(text).not.toMatch(/[ \t]$/m);
      expect(text).not.toContain('\x1b');
      expect(text.endsWith('\n')).toBe(true);
    }
  });

  it('prints rows only with --no-headers', async () => {
    const lines = (await printed('service', 'list', '--no-headers')).split('\n');
    expect(lines[0]).toMatch(/^62 {3}10\.1\.0\.2:53\/UDP/);
    expect(await printed('stats', '--no-headers')).not.toMatch(/Drops|Reason/);
    expect(await printed('maglev', 'show', 'web', '--no-headers')).toMatch(/^192\.168\.1\.20:8443/);
  });
});
