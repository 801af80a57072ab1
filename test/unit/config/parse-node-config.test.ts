import { describe, expect, it, test } from 'vitest';
import { compareNodeConfigs } from '../../../src/config/compare-node-configs.ts';
import { ConfigError } from '../../../src/config/config-error.ts';
import { parseNodeConfig } from '../../../src/config/parse-node-config.ts';

const LEAST = [
  'role: node',
  'vips: { ranges: [10.1.0.0/24, "2001:db8:1::/64"] }',
  'devices: [{ name: eth0 }]',
  'tunnel: { sources: [10.4.0.0/16, 10.9.0.7, "2001:db8:4::/48"] }',
];
const parse = (...lines: string[]) => parseNodeConfig(lines.join('\n'), 'node.yaml', 'host-1');

test('the least that is needed', () => {
  const config = parse(...LEAST);
  expect(config).toMatchObject({ role: 'node', node: 'host-1', endpoints: 'local' });
  expect(config.api.socket).toBe('/run/l4lb/agent.sock');
  expect(config.tunnel.guePort).toBe(6080);
  expect(config.tunnel.sources).toEqual([
    { network: 0x0a040000, length: 16 },
    { network: 0x0a090007, length: 32 },
    { network: 0x20010db8_0004_0000_0000_0000_0000_0000n, length: 48 },
  ]);
});

describe('what is wrong is named', () => {
  it.each([
    [['snat: { own: 10.0.0.1 }'], /node\.yaml:5: snat: is not a known key/],
    [['endpoints: some'], /endpoints: "some" must be one of local, all/],
    [['limits: { flows: 10 }'], /limits\.flows: 10 must be a whole number, 1024 to/],
  ])('%s', (lines, message) => {
    expect(() => parse(...LEAST, ...lines)).toThrow(message);
  });

  it.each([
    ['tunnel: { sources: [] }', /tunnel\.sources: \[\] must be a list of 1 to 32/],
    ['tunnel: { sources: [10.4.0.1/16] }', /did you mean 10\.4\.0\.0\/16/],
    ['tunnel: { sources: [0.0.0.0/0] }', /must be an address, an IPv4 CIDR from \/8/],
  ])('%s', (tunnel, message) => {
    expect(() => parse(...LEAST.slice(0, 3), tunnel)).toThrow(message);
    expect(() => parse(...LEAST.slice(0, 3), tunnel)).toThrow(ConfigError);
  });
});

test('a change says what it takes', () => {
  const [role = '', vips = '', devices = ''] = LEAST;
  const next = parse(role, vips, devices, 'tunnel: { sources: [10.4.0.0/16] }', 'endpoints: all');
  expect(compareNodeConfigs(parse(...LEAST), next)).toEqual([
    { key: 'tunnel.sources', how: 'swap' },
    { key: 'endpoints', how: 'reload' },
  ]);
});
