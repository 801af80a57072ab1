import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ManifestDirectory } from '../../../src/sources/manifest-directory.ts';
import { MAX_MANIFEST_BYTES } from '../../../src/sources/manifest-parser.ts';
import { FakeTimers } from '../node/fake-timers.ts';

const serviceText = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: ${port} }] }\n`;

let root: string;
let directory: string;
let source: ManifestDirectory;
let timers: FakeTimers;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'l4lb-manifests-'));
  directory = join(root, 'manifests');
  mkdirSync(directory);
  timers = new FakeTimers();
  source = new ManifestDirectory({ directory, timers });
});

afterEach(async () => {
  await source.stop();
  rmSync(root, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
const services = () => source.snapshot().services.map(({ name, ports }) => `${name}:${ports[0]?.port}`);
const problems = () => source.snapshot().problems.map(({ code }) => code);
const start = () => source.start(() => {});

/** Looks, lets doubts pass, looks again. */
async function lookAndBelieve(): Promise<void> {
  await source.look();
  timers.advance(1_000);
  await source.look();
}

describe('looking', () => {
  test('the examples have no problem', async () => {
    source = new ManifestDirectory({ directory: 'deploy/examples/manifests', timers });
    await start();
    expect(services()).toEqual(['dns:53', 'web:80']);
    expect(source.snapshot()).toMatchObject({ problems: [], synced: true, complete: true });
    expect(source.snapshot().slices).toHaveLength(2);
  });

  test('which files are read', async () => {
    for (const name of ['a.yaml', 'b.yml', 'c.json']) write(name, serviceText(name.slice(0, 1)));
    for (const name of ['.x.yaml', 'x.yaml~', '.x.yaml.swp', '#x.yaml#', '.#x.yaml', 'x.txt', 'README']) {
      write(name, serviceText('x'));
    }
    mkdirSync(join(directory, 'dir.yaml'));
    await start();
    expect(services()).toEqual(['a:80', 'b:80', 'c:80']);
    expect(problems()).toEqual([]);
  });

  test('only what changed becomes another object', async () => {
    write('a.yaml', serviceText('a'));
    write('b.yaml', serviceText('b'));
    await start();
    const [a, b] = source.snapshot().services;
    write('b.yaml', serviceText('b', 81));
    await source.look();
    expect(services()).toEqual(['a:80', 'b:81']);
    expect(source.snapshot().services[0]).toBe(a);
    expect(source.snapshot().services[1]).not.toBe(b);
  });

  test('a file that is only touched is not parsed again', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    const [a] = source.snapshot().services;
    utimesSync(join(directory, 'a.yaml'), 1, 1);
    await source.look();
    expect(source.snapshot().services[0]).toBe(a);
  });

  test('a text of the same length and times is still seen', async () => {
    write('a.yaml', serviceText('a', 80));
    utimesSync(join(directory, 'a.yaml'), 1, 1);
    await start();
    write('a.yaml', serviceText('a', 81));
    utimesSync(join(directory, 'a.yaml'), 1, 1);
    await source.look();
    expect(services()).toEqual(['a:81']);
  });

  test('so is one that is put back in time long after', async () => {
    write('a.yaml', serviceText('a', 80));
    utimesSync(join(directory, 'a.yaml'), 1, 1);
    // Older than a tick of the file system's clock, so that its times are trusted.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await start();
    write('a.yaml', serviceText('a', 81));
    utimesSync(join(directory, 'a.yaml'), 1, 1);
    await source.look();
    expect(services()).toEqual(['a:81']);
  });

  test('a file that is truncated and written again loses nothing meanwhile', async () => {
    write('a.yaml', serviceText('a'));
    write('b.yaml', serviceText('b'));
    await start();
    truncateSync(join(directory, 'a.yaml'));
    await lookAndBelieve();
    expect(services()).toEqual(['a:80', 'b:80']);
    expect(problems()).toEqual(['empty-file']);
    write('a.yaml', serviceText('a', 81));
    await source.look();
    expect(services()).toEqual(['a:81', 'b:80']);
    expect(problems()).toEqual([]);
  });

  test('a broken file keeps its objects, and says where', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    write('a.yaml', `${serviceText('a', 81)}---\nx: [`);
    await source.look();
    expect(services()).toEqual(['a:81']);
    expect(source.snapshot().problems).toMatchObject([
      { code: 'yaml-syntax', file: join(directory, 'a.yaml'), line: 6 },
    ]);
  });

  test('a file that is too large is not read', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    truncateSync(join(directory, 'a.yaml'), MAX_MANIFEST_BYTES + 1);
    await source.look();
    expect(services()).toEqual(['a:80']);
    expect(problems()).toEqual(['file-too-large']);
    expect(source.snapshot().problems[0]?.message).toContain('8388609 bytes, the limit is 8388608');
    write('a.yaml', serviceText('a', 81));
    await source.look();
    expect(services()).toEqual(['a:81']);
  });

  test('a link to nowhere is a file that is not there', async () => {
    write('a.yaml', serviceText('a'));
    symlinkSync('nowhere', join(directory, 'b.yaml'));
    await start();
    expect(services()).toEqual(['a:80']);
    expect(problems()).toEqual([]);
  });
});

describe('what goes', () => {
  test('a file', async () => {
    write('a.yaml', serviceText('a'));
    write('b.yaml', serviceText('b'));
    await start();
    unlinkSync(join(directory, 'a.yaml'));
    await source.look();
    expect(services()).toEqual(['a:80', 'b:80']);
    timers.advance(500);
    await source.look();
    expect(services()).toEqual(['b:80']);
  });

  test('all files: after the second look, by itself', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    unlinkSync(join(directory, 'a.yaml'));
    await lookAndBelieve();
    expect(services()).toEqual(['a:80']);
    expect(problems()).toEqual(['source-empty']);
    timers.advance(5_000);
    await vi.waitFor(() => expect(services()).toEqual([]));
    expect(source.snapshot()).toMatchObject({ synced: true, problems: [] });
  });

  test('the directory: never; when it is back it is read again', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    rmSync(directory, { recursive: true });
    for (let look = 0; look < 3; look++) {
      await source.look();
      timers.advance(10_000);
    }
    expect(services()).toEqual(['a:80']);
    expect(problems()).toEqual(['source-unreadable']);
    mkdirSync(directory);
    write('a.yaml', serviceText('a', 81));
    await source.look();
    expect(services()).toEqual(['a:81']);
    expect(problems()).toEqual([]);
  });

  test('a directory that is missing at the start: not synced until it is there', async () => {
    rmSync(directory, { recursive: true });
    await start();
    expect(source.snapshot()).toMatchObject({ synced: false, problems: [{ code: 'source-unreadable' }] });
    mkdirSync(directory);
    write('a.yaml', serviceText('a'));
    timers.advance(1_000);
    await vi.waitFor(() => expect(source.snapshot()).toMatchObject({ synced: true, problems: [] }));
    expect(services()).toEqual(['a:80']);
  });

  test('a file in place of the directory', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'x');
    await source.look();
    expect(services()).toEqual(['a:80']);
    expect(problems()).toEqual(['source-unreadable']);
  });
});

/** With the real clock, and no look between events: only the watch can tell. */
describe('watching', () => {
  beforeEach(() => {
    source = new ManifestDirectory({ directory, rescan: 3_600_000, removalSettle: 10, secondLook: 10 });
  });

  const seen = (expected: string[]) =>
    vi.waitFor(() => expect(services()).toEqual(expected), { timeout: 20_000, interval: 5 });

  test('a rename, a write, a removal', async () => {
    let changes = 0;
    write('a.yaml', serviceText('a'));
    await source.start(() => changes++);
    expect(changes).toBe(0);
    write('.new', serviceText('b'));
    renameSync(join(directory, '.new'), join(directory, 'b.yaml'));
    await seen(['a:80', 'b:80']);
    expect(changes).toBe(1);
    write('a.yaml', serviceText('a', 81));
    await seen(['a:81', 'b:80']);
    unlinkSync(join(directory, 'a.yaml'));
    await seen(['b:80']);
  });

  test("a ConfigMap's link is swapped", async () => {
    const publish = (version: string, port: number) => {
      mkdirSync(join(directory, version));
      writeFileSync(join(directory, version, 'a.yaml'), serviceText('a', port));
      symlinkSync(version, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    publish('..2024_1', 80);
    symlinkSync('..data/a.yaml', join(directory, 'a.yaml'));
    await start();
    expect(services()).toEqual(['a:80']);
    publish('..2024_2', 81);
    await seen(['a:81']);
    rmSync(join(directory, '..2024_1'), { recursive: true });
    publish('..2024_3', 82);
    await seen(['a:82']);
  });

  test('the directory is replaced by another', async () => {
    write('a.yaml', serviceText('a'));
    await start();
    renameSync(directory, join(root, 'old'));
    mkdirSync(directory);
    write('a.yaml', serviceText('a', 81));
    // The watch is on the old one: the next look finds that out.
    await source.look();
    expect(services()).toEqual(['a:81']);
    write('a.yaml', serviceText('a', 82));
    await seen(['a:82']);
  });

  test('a directory that comes, goes and comes', async () => {
    rmSync(directory, { recursive: true });
    await start();
    mkdirSync(directory);
    write('a.yaml', serviceText('a'));
    await seen(['a:80']);
    rmSync(directory, { recursive: true });
    await vi.waitFor(() => expect(problems()).toEqual(['source-unreadable']), { timeout: 20_000 });
    expect(services()).toEqual(['a:80']);
    mkdirSync(directory);
    write('b.yaml', serviceText('b'));
    await seen(['b:80']);
  });

  test('after stop nothing is told', async () => {
    let changes = 0;
    write('a.yaml', serviceText('a'));
    await source.start(() => changes++);
    await source.stop();
    write('b.yaml', serviceText('b'));
    await source.look();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(changes).toBe(0);
    expect(services()).toEqual(['a:80']);
  });
});
