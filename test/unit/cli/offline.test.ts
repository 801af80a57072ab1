/** Without an agent: which errors, and what status can still tell. The maps themselves: test/scenarios/lbctl-offline. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OfflineFacts, offlineStatus } from '../../../src/cli/offline/offline-status.ts';
import { renderStatus } from '../../../src/cli/views/status-page.ts';
import { lbctl } from './fake-host.ts';
import { NOW } from './fixtures.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'l4lb-f-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const places = () => ['--runtime-directory', directory, '--bpf-directory', join(directory, 'pins')];

describe('without an agent', () => {
  it('and without pinned maps both places are named, with what to do', async () => {
    const { code, stdout, stderr } = await lbctl([...places(), 'status']);
    expect(code).toBe(4);
    expect(stdout).toBe('');
    expect(stderr).toBe(
      `lbctl: the agent does not listen on ${directory}/agent.sock (ENOENT), and there are no pinned maps in ${directory}/pins.\n` +
        'Start lb-agent, or name the right places by --socket and --bpf-directory (or --config FILE).\n',
    );
  });

  it('--offline names the maps only', async () => {
    const { code, stderr } = await lbctl([...places(), '--offline', 'conn', 'list']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^lbctl: the agent was not asked, and there are no pinned maps in .*pins\./);
  });

  it('maps of another layout are not read', async () => {
    mkdirSync(join(directory, 'pins', 'maps'), { recursive: true });
    writeFileSync(join(directory, 'pins', 'maps', 'services_v99'), '');
    const { code, stderr } = await lbctl([...places(), 'service', 'list']);
    expect(code).toBe(6);
    expect(stderr).toMatch(
      /are of layout 99, where this lbctl reads layout \d+\.\nUse the lbctl of the same version/,
    );
  });

  it.each(['drain', 'undrain'])('%s is not possible', async (command) => {
    const { code, stderr } = await lbctl([...places(), command]);
    expect(code).toBe(4);
    expect(stderr).toMatch(
      new RegExp(`^lbctl: ${command} needs the agent.*agent\\.sock \\(ENOENT\\)\\.\nStart lb-agent`),
    );
  });
});

describe('status without an agent', () => {
  const facts: OfflineFacts = {
    node: 'lb-1',
    version: '0.1.0',
    layoutVersion: 1,
    hashSeedFingerprint: '5be0cd19',
    devices: [{ name: 'eth0', mode: 'xdp', attached: true, programId: 41 }],
    vip: { device: 'lb-vip0', up: true, addresses: ['10.1.0.1/24'] },
    drained: false,
    manifests: undefined,
    snatAddresses: ['10.2.0.16-10.2.0.17'],
    snatPorts: undefined,
    maps: { services: 2, backends: 5, activeFlows: 7, snat: { records: 100, used: 8 }, mapsBytes: 1024 },
  };

  it('says what goes on, and leaves out what only the agent knows', () => {
    const layout = {
      styler: (_style: string, text: string) => text,
      headers: true,
      width: undefined,
      unicode: true,
      wide: false,
      now: NOW,
      previous: undefined,
    };
    expect(renderStatus(offlineStatus(facts), layout)).toMatchInlineSnapshot(`
      "Node:         lb-1
      Agent:        not running
      Health:       the agent is not running; packets go on by what is in the maps
      Announced:    yes
      VIP device:   lb-vip0 up, 10.1.0.1/24
      Devices:      eth0 xdp attached, program 41
      Services:     2 services, 5 backends
      Flows:        7 active
      SNAT:         10.2.0.16-10.2.0.17, ports -, 8 of 100 records used (8.0 %)
      Maps:         1.0 KiB, layout 1
      Hash seed:    5be0cd19
      "
    `);
  });

  it.each<[facts: Partial<OfflineFacts>, announce: string, health: RegExp]>([
    [{}, 'yes', /not running; packets go on/],
    [{ vip: { device: 'lb-vip0', up: false, addresses: [] } }, 'unknown', /packets go on/],
    [{ vip: { device: 'lb-vip0', up: false, addresses: [] }, drained: true }, 'drained', /packets go on/],
    // Somebody set the device up by hand: that is what the routing daemon sees.
    [{ drained: true }, 'yes', /packets go on/],
    [{ vip: undefined }, 'unknown', /packets go on/],
    [{ devices: [] }, 'yes', /no program is on any device/],
    [
      { devices: [{ name: 'eth0', mode: 'tc', attached: false, programId: 3 }] },
      'yes',
      /no program is on eth0/,
    ],
  ])('%j', (changes, announce, health) => {
    const status = offlineStatus({ ...facts, ...changes });
    expect(status.vip.announce).toBe(announce);
    expect(status.health).toMatch(health);
    expect(status.agent).toBe('not running');
  });
});
