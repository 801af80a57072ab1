import { describe, expect, test } from 'vitest';
import { CHANGE_RULES, compareConfigs } from '../../../src/config/compare-configs.ts';
import { configKeys } from '../../../src/config/config-keys.ts';
import { configSchema } from '../../../src/config/config-schema.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';

const BASE: Record<string, string> = {
  vips: '{ ranges: [10.1.0.0/24] }',
  devices: '[{ name: eth0 }]',
  snat: '{ addresses: [10.2.0.16/30] }',
};

function config(changes: Record<string, string> = {}) {
  const text = Object.entries({ ...BASE, ...changes }).map(([key, value]) => `${key}: ${value}`);
  return parseConfig(text.join('\n'), 'lb.yaml', 'host');
}

/** The tables of remembered flows get another size, whatever else. */
const DSR_APPEARS = [
  'dsr.guePort swap',
  'dsr.window.tcp reload',
  'dsr.window.udp reload',
  'dsr.rememberedFlows cleanup',
  'dsr.rememberPerSecond swap',
];

describe('compareConfigs', () => {
  test.each<[Record<string, string>, string[]]>([
    [{}, []],
    [{ log: '{ level: debug }' }, ['log.level reload']],
    [{ controller: '{ withoutClass: true }' }, ['controller.withoutClass reload']],
    [{ controller: '{ lease: { name: b } }' }, ['controller.lease.name restart']],
    [
      { controller: '{ pools: [{ name: a, addresses: [10.1.0.8] }] }' },
      [
        'controller.pools[].name reload',
        'controller.pools[].addresses reload',
        'controller.pools[].automatic reload',
      ],
    ],
    [{ maglev: '{ slots: 65537 }' }, ['maglev.slots reload']],
    [{ vips: '{ ranges: [10.1.0.0/24, 10.3.0.0/24] }' }, ['vips.ranges swap']],
    [{ vips: '{ ranges: [10.1.0.0/24], echo: false }' }, ['vips.echo swap']],
    [{ vips: '{ ranges: [10.1.0.0/24], device: { name: vip1 } }' }, ['vips.device.name cleanup']],
    [{ timeouts: '{ udp: 10s }' }, ['timeouts.udp swap']],
    [{ reject: '{ noFlow: false }' }, ['reject.noFlow swap']],
    [{ snat: '{ addresses: [10.2.0.16/30], ports: 2000-3000 }' }, ['snat.ports swap']],
    [{ snat: '{ addresses: [10.2.0.32/30] }' }, ['snat.addresses cleanup']],
    [{ vips: '{ ranges: [10.1.0.0/24, "2001:db8:1::/64"] }' }, ['vips.ranges swap']],
    [{ snat: '{ addresses: [10.2.0.16/30, "2001:db8:2::1"] }' }, ['snat.addresses cleanup']],
    [{ mode: 'l2' }, ['mode swap', ...DSR_APPEARS]],
    [{ dsr: '{}' }, DSR_APPEARS],
    [{ dsr: '{ source: [10.4.0.0/16] }' }, ['dsr.source cleanup', ...DSR_APPEARS]],
    [{ snat: '{ own: 10.9.0.1 }' }, ['snat.addresses cleanup', 'snat.own cleanup', 'snat.ports swap']],
    [{ backends: 'node-ports' }, ['backends reload']],
    [{ hash: '{ seedFile: /s, nodes: 2 }' }, ['hash.seedFile swap', 'hash.nodes reload']],
    [{ devices: '[{ name: eth0 }, { name: eth1 }]' }, ['devices[].name restart', 'devices[].attach restart']],
    [{ devices: '[{ name: eth0, attach: tc }]' }, ['devices[].attach restart']],
    [{ limits: '{ services: 10 }' }, ['limits.services cleanup']],
    [{ node: 'other' }, ['node restart']],
    [{ metrics: '{ listen: "127.0.0.1:9469" }' }, ['metrics.listen restart']],
  ])('%j', (changes, expected) => {
    expect(compareConfigs(config(), config(changes)).map(({ key, how }) => `${key} ${how}`)).toEqual(
      expected,
    );
    expect(compareConfigs(config(changes), config(changes))).toEqual([]);
  });

  test('node ports begin with the Nodes that have them', () => {
    const source = (more = '') => ({ source: `{ kind: kubernetes${more} }` });
    const keys = (before: Record<string, string>, after: Record<string, string>) =>
      compareConfigs(config(before), config(after)).map(({ key, how }) => `${key} ${how}`);
    const all = { backends: 'node-ports' };
    expect(keys(source(), { ...source(), ...all })).toEqual(['source.nodes restart', 'backends reload']);
    expect(keys(source(', nodes: true'), { ...source(), ...all })).toEqual(['backends reload']);
    expect(keys(source(), source(', nodes: false'))).toEqual([]);
    expect(keys(source(), source(', nodes: true'))).toEqual(['source.nodes restart']);
  });

  test('another spelling is no change', () => {
    const spelled = config({
      snat: '{ addresses: [10.2.0.18-10.2.0.19, 10.2.0.16, 10.2.0.17] }',
      vips: '{ ranges: [10.1.0.0/24] }',
      timeouts: '{ tcpEstablished: 130m }',
      limits: '{ nextHops: 4000 }',
      api: '{ socket: /run/l4lb/agent.sock }',
    });
    expect(compareConfigs(config(), spelled)).toEqual([]);
  });

  test('there is one rule for every key', () => {
    expect(CHANGE_RULES.map(({ key }) => key)).toEqual(configKeys(configSchema).map(({ key }) => key));
  });
});
