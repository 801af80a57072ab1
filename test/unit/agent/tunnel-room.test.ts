import { describe, expect, test } from 'vitest';
import {
  judgeTunnelRoom as judgeTunnelRoomInSlices,
  type TunnelUser,
} from '../../../src/agent/tunnel-room.ts';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';

const judgeTunnelRoom = (...input: Parameters<typeof judgeTunnelRoomInSlices>) =>
  runAtOnce(judgeTunnelRoomInSlices(...input));

const service = (mode: TunnelUser['mode'], ...addresses: string[]): TunnelUser => ({
  mode,
  backends: addresses.map((address) => ({ address })),
});
const DEVICES: Readonly<Record<string, string>> = {
  '10.40.0.2': 'eth0',
  'fd00::2': 'eth0',
  '10.50.0.2': 'eth1',
};
const hopOf = (address: string) => {
  const device = DEVICES[address];
  return device === undefined ? undefined : { device };
};
const links = (eth0: number, eth1 = 9000) => [
  { name: 'eth0', mtu: eth0 },
  { name: 'eth1', mtu: eth1 },
];

describe('room for outer headers', () => {
  test.each([
    ['ipip', '10.40.0.2', 1520],
    ['ipip', 'fd00::2', 1540],
    ['gue', '10.40.0.2', 1532],
    ['gue', 'fd00::2', 1552],
  ] as const)('%s to %s needs an MTU of %i', (mode, address, enough) => {
    const services = [service(mode, address)];
    expect(judgeTunnelRoom(services, hopOf, links(enough))).toEqual([]);
    const [problem, ...others] = judgeTunnelRoom(services, hopOf, links(enough - 1));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ severity: 'warning', code: 'mtu-too-small' });
    expect(problem?.message).toContain(`eth0 has an MTU of ${enough - 1}`);
    expect(problem?.message).toContain(`towards ${address} leaves 1499`);
    expect(problem?.message).toContain(`to ${enough} or more`);
  });

  test('where IPv6 has no room either, clients cannot be told, and it is an error', () => {
    const services = [service('gue', '10.40.0.2')];
    const [enough] = judgeTunnelRoom(services, hopOf, links(1312));
    expect(enough).toMatchObject({ severity: 'warning' });
    const [problem] = judgeTunnelRoom(services, hopOf, links(1311));
    expect(problem).toMatchObject({ severity: 'error', code: 'mtu-too-small' });
    expect(problem?.message).toContain('leaves 1279: IPv6 clients cannot be told to send less than 1280');
  });

  test.each(['snat', 'l2'] as const)('%s needs none', (mode) => {
    expect(judgeTunnelRoom([service(mode, '10.40.0.2')], hopOf, links(1280))).toEqual([]);
  });

  test('a device is named once, with what needs most, and each device for itself', () => {
    const services = [service('ipip', '10.40.0.2', '10.50.0.2'), service('gue', '10.40.0.2', 'fd00::2')];
    const problems = judgeTunnelRoom(services, hopOf, links(1500, 1500));
    expect(problems.map(({ message }) => message.split(':')[0])).toEqual([
      'eth0 has an MTU of 1500, which with the outer header of 52 bytes towards fd00',
      'eth1 has an MTU of 1500, which with the outer header of 20 bytes towards 10.50.0.2 leaves 1480',
    ]);
  });

  test('a backend without a route is no matter of room', () => {
    expect(judgeTunnelRoom([service('ipip', '192.0.2.9')], hopOf, links(1500))).toEqual([]);
  });
});
