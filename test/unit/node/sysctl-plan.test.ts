import { describe, expect, test } from 'vitest';
import { planSysctls, RESERVED_PORTS } from '../../../src/node/sysctl-plan.ts';

const conf = (device: string, key: string): string => `net/ipv4/conf/${device}/${key}`;

function plan(values: Record<string, string>, needs: Partial<Parameters<typeof planSysctls>[0]> = {}) {
  return planSysctls(
    { devices: ['eth0'], otherDevices: ['eth1', 'lo'], ownPorts: [], ipv6: false, ...needs },
    (path) => values[path],
  ).map(({ path, value }) => `${path}=${value}`);
}

describe('which kernel settings are needed', () => {
  test('the devices forward, filter nothing, and accept local sources; ip_forward is left alone', () => {
    expect(plan({ [conf('all', 'rp_filter')]: '0' })).toEqual([
      `${conf('eth0', 'forwarding')}=1`,
      `${conf('eth0', 'rp_filter')}=0`,
      `${conf('eth0', 'accept_local')}=1`,
      `${conf('all', 'rp_filter')}=0`,
    ]);
  });

  test('when `all` loses its filter, the other devices and the default keep it, and first', () => {
    const wishes = plan({
      [conf('all', 'rp_filter')]: '1',
      [conf('default', 'rp_filter')]: '0',
      [conf('eth1', 'rp_filter')]: '0',
      [conf('lo', 'rp_filter')]: '2',
    });
    expect(wishes.slice(0, 2)).toEqual([
      `${conf('default', 'rp_filter')}=1`,
      `${conf('eth1', 'rp_filter')}=1`,
    ]);
    expect(wishes.at(-1)).toBe(`${conf('all', 'rp_filter')}=0`);
    expect(wishes.some((wish) => wish.includes('/lo/'))).toBe(false);
  });

  test('own SNAT ports are added to the reserved ones', () => {
    const wishes = plan({ [RESERVED_PORTS]: '22,61500' }, { ownPorts: [{ first: 61000, last: 65535 }] });
    expect(wishes).toContain(`${RESERVED_PORTS}=22,61000-65535`);
  });

  const conf6 = (device: string, key: string): string => `net/ipv6/conf/${device}/${key}`;
  const six = (values: Record<string, string>) =>
    plan(values, { ipv6: true }).filter((wish) => wish.startsWith('net/ipv6'));

  test('IPv6: the devices forward, and nothing that was learnt from routers is lost', () => {
    const values = {
      [conf6('eth0', 'force_forwarding')]: '0',
      [conf6('eth0', 'accept_ra')]: '1',
      [conf6('eth1', 'accept_ra')]: '1',
      [conf6('lo', 'accept_ra')]: '0',
    };
    expect(six(values)).toEqual([
      `${conf6('eth1', 'accept_ra')}=2`,
      `${conf6('eth0', 'accept_ra')}=2`,
      `${conf6('eth0', 'forwarding')}=1`,
      `${conf6('eth0', 'force_forwarding')}=1`,
    ]);
    expect(plan(values).some((wish) => wish.startsWith('net/ipv6'))).toBe(false);
  });

  test('IPv6: a kernel without a switch for one device forwards on all', () => {
    expect(six({})).toEqual([`${conf6('all', 'forwarding')}=1`, `${conf6('eth0', 'forwarding')}=1`]);
  });

  test('without devices nothing is touched', () => {
    expect(plan({ [conf('all', 'rp_filter')]: '0' }, { devices: [] })).toEqual([]);
  });
});
