import { describe, expect, test } from 'vitest';
import { withPort } from '../../../src/net/with-port.ts';
import { ensureBpffs, whereToMount } from '../../../src/node/bpffs.ts';
import { findEgress, ingressDevices } from '../../../src/node/egress-devices.ts';
import { type Link, listAddresses, routesTo, toLink } from '../../../src/node/ip.ts';
import { judgeOffloads, parseOffloads } from '../../../src/node/offloads.ts';
import { findPortConflicts, parseProcNet } from '../../../src/node/ports-in-use.ts';
import { fakeRun } from './fake-ip.ts';

const BPF = 0xcafe4a11;
const OTHER = 0x62656572;

describe('the BPF file system', () => {
  const files = (types: Record<string, number>) => ({ typeOf: (path: string) => types[path] });
  test.each([
    ['/sys/fs/bpf/l4lb', { '/': 1, '/sys/fs/bpf': BPF }, undefined],
    ['/sys/fs/bpf/l4lb', { '/': 1, '/sys/fs/bpf': OTHER }, '/sys/fs/bpf'],
    ['/run/lb/bpf', { '/': 1, '/run': 1, '/run/lb': 1 }, '/run/lb/bpf'],
    ['/run/lb/bpf', { '/': 1, '/run/lb/bpf': BPF }, undefined],
    ['/sys/fs/bpfx', { '/': 1, '/sys/fs': OTHER }, '/sys/fs/bpfx'],
  ])('%s with %j is mounted at %s', (directory, types, expected) => {
    expect(whereToMount(directory, files(types as unknown as Record<string, number>))).toBe(expected);
  });

  test('a mount that is refused is an error that says so', async () => {
    const run = fakeRun({ mount: { code: 32, stderr: 'mount: permission denied' } });
    const made: string[] = [];
    const fake = { typeOf: () => OTHER, makeDirectory: (path: string) => void made.push(path) };
    await expect(ensureBpffs('/run/x', run, fake)).rejects.toThrow(/mount .*permission denied/);
  });
});

describe('devices', () => {
  const link = (name: string, ifindex: number, more: Partial<Link> = {}): Link => ({
    name,
    ifindex,
    up: true,
    mtu: 1500,
    ...more,
  });
  const links = [
    link('eth0', 2),
    link('eth1', 3),
    link('eth0.10', 4, { kind: 'vlan', parent: 'eth0', vlan: 10 }),
    link('eth1.20', 5, { kind: 'vlan', parent: 'eth1', vlan: 20 }),
    link('inner', 6, { kind: 'vlan', parent: 'eth0.10', vlan: 30 }),
  ];
  test('VLAN devices on managed devices are egress devices, stacked ones are not', () => {
    expect(findEgress(links, ['eth0'])).toEqual([
      { ifindex: 2, parent: 2, vlan: 0 },
      { ifindex: 4, parent: 2, vlan: 10 },
    ]);
    expect(ingressDevices(links, ['eth0'])).toEqual(['eth0', 'eth0.10']);
  });

  test('a link of ip -d -j', () => {
    expect(
      toLink({
        ifindex: 4,
        ifname: 'v',
        flags: ['UP', 'LOWER_UP'],
        mtu: 1496,
        link: 'eth0',
        linkinfo: { info_kind: 'vlan', info_data: { id: 7 } },
      }),
    ).toEqual({ ifindex: 4, name: 'v', up: true, mtu: 1496, kind: 'vlan', parent: 'eth0', vlan: 7 });
    expect(toLink({ ifindex: 1, ifname: 'lo' })).toEqual({ ifindex: 1, name: 'lo', up: false, mtu: 0 });
  });

  test('addresses of both families, without those of the link', async () => {
    const info = [
      { family: 'inet', local: '10.1.0.1', prefixlen: 24, scope: 'global' },
      { family: 'inet6', local: '2001:db8:1::1', prefixlen: 64, scope: 'global' },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
    ];
    const run = fakeRun({ 'ip -j addr show dev v': { stdout: JSON.stringify([{ addr_info: info }]) } });
    expect(await listAddresses(run, 'v')).toEqual([
      { address: '10.1.0.1', prefixLength: 24 },
      { address: '2001:db8:1::1', prefixLength: 64 },
    ]);
  });

  test('what ip prints and is not JSON is an error that shows it', async () => {
    const run = fakeRun({ 'ip -j -force': { stdout: 'Segmentation fault' } });
    await expect(routesTo(run, ['10.0.0.1'])).rejects.toThrow(/Segmentation fault/);
  });

  test('LRO is warned of, VLAN stripping only under XDP with VLANs', () => {
    const features = parseOffloads(
      'Features for x:\nrx-vlan-offload: on\nlarge-receive-offload: on [fixed]\n',
    );
    const codes = (mode: 'xdp' | 'tc', vlans: boolean) =>
      judgeOffloads('x', mode, features, vlans).map(({ code }) => code);
    expect(codes('xdp', true)).toEqual(['lro-on', 'rx-vlan-on']);
    expect(codes('xdp', false)).toEqual(['lro-on']);
    expect(codes('tc', true)).toEqual(['lro-on']);
    expect(judgeOffloads('x', 'xdp', new Map(), true)).toEqual([]);
  });
});

describe('ports in use', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr',
    '   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000',
    '   1: 00000000:EE48 00000000:0000 0A 00000000:00000000 00:00000000',
    '   2: 050200C0:EE49 0A0000C0:0050 01 00000000:00000000 00:00000000',
    '   3: 00000000000000000000000000000000:EE4A 00000000000000000000000000000000:0000 0A',
    '   4: B80D0120000000000000000001000000:EE4B 00000000000000000000000000000000:0000 0A',
    '   5: 0000000000000000FFFF0000050200C0:EE4C 00000000000000000000000000000000:0000 0A',
    'nonsense',
  ].join('\n');

  test('are read from /proc/net, mapped addresses as IPv4', () => {
    expect(parseProcNet(text, 'TCP').map(({ address, port }) => withPort(address, port))).toEqual([
      '127.0.0.1:22',
      '0.0.0.0:61000',
      '192.0.2.5:61001',
      '[::]:61002',
      '[2001:db8::1]:61003',
      '192.0.2.5:61004',
    ]);
  });

  test('conflict on the own address or on every address, inside the range', () => {
    const bound = parseProcNet(text, 'TCP');
    const ports = findPortConflicts(bound, ['192.0.2.5'], { first: 61000, last: 65535 }).map(
      ({ port }) => port,
    );
    expect(ports).toEqual([61000, 61001, 61002, 61004]);
    const six = findPortConflicts(bound, ['2001:db8::1'], { first: 61000, last: 65535 });
    expect(six.map(({ port }) => port)).toEqual([61002, 61003]);
    expect(findPortConflicts(bound, ['192.0.2.6'], { first: 61001, last: 61001 })).toEqual([]);
  });
});
