import { describe, expect, test } from 'vitest';
import { familyOf, parseAddress } from '../../../src/net/address.ts';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { type JsonRule, planVip, type VipState, wantedAddresses } from '../../../src/vip/vip-plan.ts';

const range = (text: string) => parsePrefix(text) ?? { network: 0, length: 0 };
const rules = (dst: string, dstlen: number): JsonRule[] => {
  const family = familyOf(parseAddress(dst) ?? 0);
  return [
    { priority: 32000, dst, dstlen, family, suppress_prefixlen: dstlen - 1 },
    { priority: 32001, dst, dstlen, family, action: 'blackhole' },
  ];
};
const address = (text: string) => ({
  address: text.split('/')[0] ?? '',
  prefixLength: Number(text.split('/')[1]),
});

function plan(
  state: VipState,
  more: { ranges?: string[]; former?: string[]; removable?: string[] } = {},
): string[] {
  const { ranges = ['10.1.0.0/24'], former = [], removable = [] } = more;
  return planVip(
    {
      device: 'vip',
      ranges: ranges.map(range),
      formerRanges: former.map(range),
      mayRemove: (text) => removable.includes(text),
    },
    state,
  ).map((command) => command.join(' '));
}

describe('the VIP device', () => {
  test('holds the first usable address of each range with its mask', () => {
    const ranges = ['10.1.0.0/24', '10.2.0.0/16', '10.3.0.8/31', '10.3.0.1/32'].map(range);
    expect(wantedAddresses(ranges)).toEqual([address('10.1.0.1/24'), address('10.2.0.1/16')]);
  });

  test('from nothing: rules before addresses, so that no packet loops in between', () => {
    expect(plan({ addresses: [], rules: [] })).toEqual([
      'rule add pref 32000 to 10.1.0.0/24 lookup main suppress_prefixlength 23',
      'rule add pref 32001 to 10.1.0.0/24 blackhole',
      'addr add 10.1.0.1/24 dev vip',
    ]);
  });

  test('IPv6 has rules of its own, and nobody is asked for the address', () => {
    expect(plan({ addresses: [], rules: [] }, { ranges: ['2001:db8:1::/64'] })).toEqual([
      '-6 rule add pref 32000 to 2001:db8:1::/64 lookup main suppress_prefixlength 63',
      '-6 rule add pref 32001 to 2001:db8:1::/64 blackhole',
      'addr add 2001:db8:1::1/64 dev vip nodad',
    ]);
    const state = { addresses: [address('2001:db8:1::1/64')], rules: rules('2001:db8:1::', 64) };
    expect(plan(state, { ranges: ['2001:db8:1::/64'] })).toEqual([]);
    expect(plan(state, { ranges: [], former: ['2001:db8:1::/64'], removable: ['2001:db8:1::1/64'] })).toEqual(
      [
        'addr del 2001:db8:1::1/64 dev vip',
        '-6 rule del pref 32000 to 2001:db8:1::/64 lookup main suppress_prefixlength 63',
        '-6 rule del pref 32001 to 2001:db8:1::/64 blackhole',
      ],
    );
  });

  test('as it should be: nothing to do', () => {
    expect(plan({ addresses: [address('10.1.0.1/24')], rules: rules('10.1.0.0', 24) })).toEqual([]);
  });

  test('drift: a wrong mask is replaced, a stranger on a device that is not ours stays', () => {
    const state = {
      addresses: [address('10.1.0.1/32'), address('172.16.0.1/24')],
      rules: rules('10.1.0.0', 24),
    };
    expect(plan(state, { removable: ['10.1.0.1/32'] })).toEqual([
      'addr del 10.1.0.1/32 dev vip',
      'addr add 10.1.0.1/24 dev vip',
    ]);
  });

  test('another range: the old rules go last', () => {
    const state = { addresses: [address('10.1.0.1/24')], rules: rules('10.1.0.0', 24) };
    expect(
      plan(state, { ranges: ['10.9.0.0/16'], former: ['10.1.0.0/24'], removable: ['10.1.0.1/24'] }),
    ).toEqual([
      'rule add pref 32000 to 10.9.0.0/16 lookup main suppress_prefixlength 15',
      'rule add pref 32001 to 10.9.0.0/16 blackhole',
      'addr del 10.1.0.1/24 dev vip',
      'addr add 10.9.0.1/16 dev vip',
      'rule del pref 32000 to 10.1.0.0/24 lookup main suppress_prefixlength 23',
      'rule del pref 32001 to 10.1.0.0/24 blackhole',
    ]);
  });
});
