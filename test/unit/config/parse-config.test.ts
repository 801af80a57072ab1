import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../../src/config/parse-config.ts';

const MINIMAL = [
  'vips: { ranges: [10.1.0.0/24] }',
  'devices: [{ name: eth0 }]',
  'snat: { addresses: [10.2.0.16] }',
];

/** The minimal configuration with some sections replaced, one a line. */
function withLines(...lines: string[]): string {
  const sections = new Set(lines.map((line) => line.split(':')[0]));
  return [...MINIMAL.filter((line) => !sections.has(line.split(':')[0])), ...lines].join('\n');
}

function problemsOf(text: string) {
  try {
    parseConfig(text, 'lb.yaml', 'host');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('what is good', () => {
  test('the example has the values that it shows', () => {
    const config = loadConfig('deploy/examples/lb-agent.yaml');
    expect(config.vips).toEqual({
      ranges: [{ network: 0x0a010000, length: 24 }],
      device: { name: 'lb-vip0', kind: 'dummy' },
      echo: true,
    });
    expect(config.devices).toEqual([{ name: 'eth0', attach: 'xdp' }]);
    expect(config.snat).toEqual({
      ranges: [{ first: 0x0a020010, count: 4, own: false }],
      ports: { min: 1024, max: 65535 },
      sharedFlows: 65536,
    });
    expect(config.metrics.listen).toEqual({ host: '127.0.0.1', port: 9469 });
    expect(config.timeouts).toEqual({
      tcpSyn: 30_000,
      tcpEstablished: 7_800_000,
      tcpHalfClosed: 120_000,
      tcpClosed: 60_000,
      udp: 30_000,
      udpReplied: 120_000,
    });
  });

  test('defaults that follow from others', () => {
    const config = parseConfig(withLines('runtimeDirectory: /run/other/'), 'lb.yaml', 'host');
    expect(config.node).toBe('host');
    expect(config.api.socket).toBe('/run/other/agent.sock');
    expect(config.metrics).toEqual({});
    expect(config.hash).toEqual({ nodes: 1 });
    const own = parseConfig(withLines('snat: { own: 192.168.0.5 }'), 'lb.yaml', 'host');
    expect(own.snat).toMatchObject({
      ranges: [{ first: 0xc0a80005, count: 1, own: true }],
      ports: { min: 61_000, max: 65_535 },
    });
  });

  test('SNAT addresses that follow each other become one range', () => {
    const text = withLines('snat: { addresses: [10.2.0.20-10.2.0.22, 10.2.0.16/30, 10.3.0.1] }');
    expect(parseConfig(text, 'lb.yaml').snat.ranges).toEqual([
      { first: 0x0a020010, count: 7, own: false },
      { first: 0x0a030001, count: 1, own: false },
    ]);
  });

  test('SNAT addresses of both families: IPv4 first, IPv6 joined within 32 bits', () => {
    const text = withLines(
      'snat: { addresses: ["2001:db8:2::10/124", 10.2.0.16, "2001:db8:2::20", "2001:db8:3::"] }',
    );
    expect(parseConfig(text, 'lb.yaml').snat.ranges).toEqual([
      { first: 0x0a020010, count: 1, own: false },
      { first: 0x20010db8_00020000_00000000_00000010n, count: 17, own: false },
      { first: 0x20010db8_00030000_00000000_00000000n, count: 1, own: false },
    ]);
  });

  test("the node's own addresses may be one of each family", () => {
    const text = withLines('snat: { own: ["2001:db8::5", 192.168.0.5] }');
    expect(parseConfig(text, 'lb.yaml').snat.ranges).toEqual([
      { first: 0xc0a80005, count: 1, own: true },
      { first: 0x20010db8_00000000_00000000_00000005n, count: 1, own: true },
    ]);
  });

  test('without DSR there is none, and without SNAT there is none', () => {
    const config = parseConfig(MINIMAL.join('\n'), 'lb.yaml');
    expect(config.mode).toBe('snat');
    expect(config.dsr).toBeUndefined();
    const direct = [...MINIMAL.slice(0, 2), 'mode: gue', 'dsr: { source: [10.4.0.0/16, "2001:db8:4::/96"] }'];
    expect(parseConfig(direct.join('\n'), 'lb.yaml')).toMatchObject({
      mode: 'gue',
      dsr: {
        source: [
          { network: 0x0a040000, length: 16 },
          { network: 0x20010db8_00040000_00000000_00000000n, length: 96 },
        ],
        guePort: 6080,
        window: { tcp: 900_000, udp: 30_000 },
        rememberedFlows: 65_536,
        rememberPerSecond: 1000,
      },
      snat: { ranges: [], sharedFlows: 0 },
    });
    const layer2 = parseConfig([...MINIMAL.slice(0, 2), 'mode: l2'].join('\n'), 'lb.yaml');
    expect(layer2.dsr?.source).toEqual([]);
  });

  test('what is no list is said once', () => {
    const keys = (...lines: string[]) => problemsOf(withLines(...lines)).map(({ key }) => key);
    expect(keys('dsr: { source: 10.4.0.0/24 }')).toEqual(['dsr.source']);
    expect(keys('vips: { ranges: 10.1.0.0/24 }')).toEqual(['vips.ranges']);
    expect(keys('dsr: { source: [10.4.0.0/33, 10.4.0.0/33] }')).toEqual(['dsr.source.0', 'dsr.source.1']);
  });

  test('SNAT must be configured where it is used', () => {
    const [problem] = problemsOf(MINIMAL.slice(0, 2).join('\n'));
    expect(problem).toMatchObject({ key: 'snat' });
    expect(problem?.message).toMatch(/is missing; mode snat needs snat.addresses/);
  });

  test('VIP ranges come sorted', () => {
    const text = withLines('vips: { ranges: [10.3.0.0/24, 10.1.0.0/24] }');
    expect(parseConfig(text, 'lb.yaml').vips.ranges.map(({ network }) => network)).toEqual(
      [0x0a030000, 0x0a010000].reverse(),
    );
  });

  test.each([
    ['limits: { nextHops: 5000 }', { nextHops: 8192 }],
    ['limits: { nextHops: 4096 }', { nextHops: 4096 }],
    ['limits: { slots: 8199 }', { slots: 8224 }],
    ['limits: { services: 65535 }', { services: 65535 }],
  ])('%s', (line, limits) => expect(parseConfig(withLines(line), 'lb.yaml').limits).toMatchObject(limits));

  test('an IPv6 listen address has brackets', () => {
    const { metrics } = parseConfig(withLines('metrics: { listen: "[::1]:9469" }'), 'lb.yaml');
    expect(metrics.listen).toEqual({ host: '::1', port: 9469 });
  });
});

test('Nodes are known where they are asked for, and from manifests always', () => {
  const known = (...lines: string[]) => parseConfig(withLines(...lines), 'lb.yaml', 'host').source.nodes;
  const kubernetes = (more = '') => `source: { kind: kubernetes${more} }`;
  expect(known()).toBe(true);
  expect(
    [kubernetes(), kubernetes(', nodes: false'), kubernetes(', nodes: true')].map((line) => known(line)),
  ).toEqual([false, false, true]);
  expect(known(kubernetes(), 'backends: node-ports')).toBe(true);
});

test.each([
  ['mode: l2', 'backends', /needs mode: snat, not l2/],
  ['source: { kind: kubernetes, nodes: false }', 'source.nodes', /must be true with backends: node-ports/],
])('node ports are not possible with %s', (line, key, message) => {
  const problems = problemsOf(withLines('backends: node-ports', line));
  expect(problems.map((problem) => problem.key)).toEqual([key]);
  expect(problems[0]?.message).toMatch(message);
});

describe('what is wrong is named with key, line, value and what is allowed', () => {
  test.each<[string, string, RegExp]>([
    ['colour: red', 'colour', /not a known key.*Known here: role, node, /],
    ['vips: { ranges: [10.1.0.0/24], echoo: true }', 'vips.echoo', /did you mean echo\?/],
    ['vips: { echo: true }', 'vips.ranges', /is missing; it must be a list of 1 to 16 CIDRs/],
    ['vips: { ranges: [] }', 'vips.ranges', /\[\] must be a list of 1 to 16/],
    ['vips: { ranges: 10.1.0.0/24 }', 'vips.ranges', /"10.1.0.0\/24" must be a list/],
    ['vips: { ranges: [10.1.0.2/24] }', 'vips.ranges.0', /did you mean 10.1.0.0\/24\?/],
    ['vips: { ranges: [10.0.0.0/7] }', 'vips.ranges.0', /\/8 to \/32/],
    ['vips: { ranges: [10.1.0.0/33] }', 'vips.ranges.0', /\/8 to \/32/],
    ['vips: { ranges: [224.0.0.0/8] }', 'vips.ranges.0', /not unicast/],
    ['vips: { ranges: ["2001:db8::1/64"] }', 'vips.ranges.0', /did you mean 2001:db8::\/64\?/],
    ['vips: { ranges: ["2001::/31"] }', 'vips.ranges.0', /must be an IPv4 CIDR .* IPv6 CIDR from \/32/],
    ['vips: { ranges: ["fe80::/64"] }', 'vips.ranges.0', /not unicast/],
    ['vips: { ranges: ["2001:db8::/64", "2001:db8::4/126"] }', 'vips.ranges.1', /overlaps 2001:db8::\/64/],
    ['vips: { ranges: [10.1.0.0/24, 10.1.0.128/25] }', 'vips.ranges.1', /overlaps 10.1.0.0\/24/],
    [
      'vips: { ranges: [10.1.0.0/24], device: { name: way-too-long-name } }',
      'vips.device.name',
      /1 to 15 char/,
    ],
    ['vips: { ranges: [10.1.0.0/24], device: { kind: bridge } }', 'vips.device.kind', /dummy, ifb, existing/],
    ['vips: { ranges: [10.1.0.0/24], echo: yes }', 'vips.echo', /"yes" must be true or false/],
    ['controller: { enabled: true }', 'controller.enabled', /needs source.kind: kubernetes/],
    [
      'controller: { pools: [{ name: a, addresses: [10.9.0.1-10.9.0.4] }] }',
      'controller.pools.0.addresses.0',
      /10.9.0.1-10.9.0.4 is not inside one of vips.ranges \(10.1.0.0\/24\)/,
    ],
    [
      'controller: { pools: [{ name: a, addresses: [10.1.0.8/29] }, { name: b, addresses: [10.1.0.2, 10.1.0.15] }] }',
      'controller.pools.1.addresses.1',
      /10.1.0.15 overlaps 10.1.0.8-10.1.0.15 of pool a/,
    ],
    [
      'controller: { pools: [{ name: a, addresses: [10.1.0.8] }, { name: a, addresses: [10.1.0.9] }] }',
      'controller.pools.1.name',
      /"a" is there twice/,
    ],
    [
      'controller: { pools: [{ name: a, addresses: [10.1.0.9-10.1.0.8] }] }',
      'controller.pools.0.addresses.0',
      /did you mean 10.1.0.8-10.1.0.9\?/,
    ],
    ['controller: { lease: { duration: 2s } }', 'controller.lease.duration', /3s to 5m/],
    ['devices: []', 'devices', /1 to 64 devices/],
    ['devices: [eth0]', 'devices.0', /"eth0" must be a map with the keys name, attach/],
    ['devices: [{ name: eth0 }, { name: eth0 }]', 'devices.1.name', /"eth0" is there twice/],
    ['devices: [{ name: lb-vip0 }]', 'devices.0.name', /is the VIP device/],
    ['devices: [{ name: eth0, attach: skb }]', 'devices.0.attach', /xdp, xdp-generic, tc/],
    ['snat: {}', 'snat', /needs addresses .* or own/],
    ['snat: { addresses: [10.2.0.1], own: 10.2.0.2 }', 'snat', /only one/],
    ['snat: { addresses: [10.1.0.9] }', 'snat.addresses.0', /lies in the VIP range 10.1.0.0\/24/],
    ['snat: { own: 10.1.0.9 }', 'snat.own', /lies in the VIP range/],
    ['snat: { addresses: [10.0.255.255-10.1.0.0] }', 'snat.addresses.0', /lies in the VIP range/],
    ['snat: { addresses: [10.2.0.1, 10.2.0.0/30] }', 'snat.addresses.1', /overlaps 10.2.0.1/],
    ['snat: { addresses: [10.2.0.9-10.2.0.1] }', 'snat.addresses.0', /did you mean 10.2.0.1-10.2.0.9/],
    ['snat: { addresses: [10.2.0.1/30] }', 'snat.addresses.0', /did you mean 10.2.0.0\/30/],
    ['snat: { addresses: [127.0.0.1] }', 'snat.addresses.0', /not unicast/],
    ['snat: { addresses: [10.2.0.0/24, 10.3.0.0] }', 'snat.addresses', /257 addresses; at most 256/],
    [
      'snat: { addresses: [10.2.0.1, 10.2.0.3, 10.2.0.5, 10.2.0.7, 10.2.0.9] }',
      'snat.addresses',
      /5 separate ranges of IPv4; at most 4/,
    ],
    ['snat: { addresses: ["2001:db8:2::/64"] }', 'snat.addresses.0', /more than 256 addresses/],
    ['snat: { addresses: ["2001:db8:2::1-10.2.0.1"] }', 'snat.addresses.0', /must be an address, a CIDR/],
    [
      'snat: { addresses: ["2001:db8:2::ffff:ffff-2001:db8:2::1:0:0"] }',
      'snat.addresses.0',
      /differ in more than the last 32 bits/,
    ],
    [
      'snat: { addresses: [10.2.0.0/25, "2001:db8:2::/120"] }',
      'snat.addresses',
      /384 addresses; at most 256/,
    ],
    ['snat: { own: [10.9.0.1, 10.9.0.2] }', 'snat.own', /list of an IPv4 and an IPv6 one/],
    ['snat: { own: 127.0.0.1 }', 'snat.own', /must be a unicast address/],
    ['mode: dsr', 'mode', /"dsr" must be one of snat, ipip, gue, l2/],
    ['source: { nodes: true }', 'source.nodes', /not used with source.kind: manifests/],
    ['backends: nodes', 'backends', /one of pods, node-ports/],
    ['mode: ipip', 'mode', /"ipip" needs dsr.source, where outer headers come from/],
    ['dsr: { source: [10.4.0.1/16] }', 'dsr.source.0', /did you mean 10.4.0.0\/16/],
    ['dsr: { source: ["2001:db8:4::/64"] }', 'dsr.source.0', /IPv6 CIDR from \/96/],
    ['dsr: { source: [10.4.0.0/16, 10.5.0.0/16] }', 'dsr.source.1', /second source of IPv4/],
    ['dsr: { source: [10.0.0.0/8] }', 'dsr.source.0', /lies in the VIP range 10.1.0.0\/24/],
    ['dsr: { guePort: 0 }', 'dsr.guePort', /1 to 65535/],
    ['dsr: { window: { tcp: 169h } }', 'dsr.window.tcp', /0s to 168h/],
    ['snat: { addresses: [10.2.0.1], ports: 2000-1000 }', 'snat.ports', /first-last within 1-65535/],
    ['snat: { addresses: [10.2.0.1], ports: 1024 }', 'snat.ports', /1024 must be first-last/],
    ['hash: { nodes: 2 }', 'hash.nodes', /give hash.seedFile/],
    ['maglev: { slots: 4096 }', 'maglev.slots', /one of 251, 1021, 4099/],
    ['limits: { slots: 4100 }', 'limits.slots', /too few for two tables/],
    ['limits: { services: 65536 }', 'limits.services', /65536 must be a whole number, 1 to 65535/],
    ['limits: { services: 0 }', 'limits.services', /1 to 65535/],
    ['limits: { services: 1.5 }', 'limits.services', /1 to 65535/],
    ['timeouts: { udp: 1s }', 'timeouts.udp', /"1s" must be a duration, 2s to 168h/],
    ['timeouts: { udp: 30 }', 'timeouts.udp', /30 must be a duration/],
    ['reject: { perSecond: 0 }', 'reject.perSecond', /1 to 1000000/],
    ['reject:', 'reject', /has no value; leave the key out/],
    ['log: { level: loud }', 'log.level', /"loud" must be one of trace, /],
    ['runtimeDirectory: run', 'runtimeDirectory', /"run" must be an absolute path/],
    [`api: { socket: /${'x'.repeat(107)} }`, 'api.socket', /at most 107 bytes/],
    ['metrics: { listen: 9469 }', 'metrics.listen', /host:port/],
    ['metrics: { listen: "127.0.0.1:0" }', 'metrics.listen', /host:port/],
    ['node: "a b"', 'node', /a host name/],
  ])('%s', (line, key, message) => {
    const text = `# a comment\n\n${withLines(line)}`;
    const lineNumber = text.split('\n').indexOf(line) + 1;
    const problems = problemsOf(text);
    expect(problems.map((problem) => problem.key)).toEqual([key]);
    expect(problems[0]).toMatchObject({ file: 'lb.yaml', line: lineNumber });
    expect(problems[0]?.message).toMatch(message);
  });

  test('the line is that of the key, deep in the file', () => {
    const text = withLines('limits:', '  services: 10', '  backends: 0');
    expect(problemsOf(text)[0]).toMatchObject({ line: 6, key: 'limits.backends' });
  });

  test('all at once, in the order of the file, with rules between keys', () => {
    const text = [
      'vips: { ranges: [10.1.0.0/24, 10.1.0.0/25] }',
      'devics: []',
      'snat: { addresses: [10.1.0.9], ports: 1-2 }',
      'timeouts: { udp: x, tcpSyn: y }',
      'hash: { nodes: 2 }',
    ].join('\n');
    expect(problemsOf(text).map(({ line, key }) => `${line} ${key}`)).toEqual([
      '1 devices',
      '1 vips.ranges.1',
      '2 devics',
      '3 snat.addresses.0',
      '4 timeouts.tcpSyn',
      '4 timeouts.udp',
      '5 hash.nodes',
    ]);
  });

  test.each<[string, RegExp]>([
    ['vips: { ranges: [', /YAML/],
    ['a: 1\na: 2', /the key "a" is there twice/],
    ['', /empty/],
    ['a: 1\n---\nb: 1', /2 documents/],
    ['42', /42 must be a map/],
  ])('%j', (text, message) => {
    expect(problemsOf(text)[0]?.message).toMatch(message);
  });

  test('the text of the error has one line a problem', () => {
    const error = new ConfigError(problemsOf(withLines('log: { level: loud }')));
    expect(error.message).toMatch(/^lb\.yaml:4: log\.level: "loud" must be one of trace, debug, .*$/);
  });

  test('a file that is not there', () => {
    expect(() => loadConfig('/nowhere/lb.yaml')).toThrow(/^\/nowhere\/lb.yaml: cannot be read \(ENOENT/);
  });

  test('a file is read', () => {
    const directory = mkdtempSync(join(tmpdir(), 'l4lb-config-'));
    try {
      writeFileSync(join(directory, 'lb.yaml'), withLines('node: lb7'));
      expect(loadConfig(join(directory, 'lb.yaml')).node).toBe('lb7');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('whatever the text is, the error is a ConfigError', () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .object({ key: fc.constantFrom('vips', 'ranges', 'devices', 'name', 'snat', 'own', 'log') })
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, (each) => {
        problemsOf(each);
      }),
    );
  });
});
