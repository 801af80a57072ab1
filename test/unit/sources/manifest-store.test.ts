import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../src/sources/manifest-parser.ts';
import {
  type FileState,
  ManifestStore,
  mergeFiles,
  nextFileState,
} from '../../../src/sources/manifest-store.ts';

const LOCATION = '/m';
const SETTLE = 500;
const SECOND_LOOK = 5_000;

const serviceText = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: ${port} }] }\n---\n`;
const nodeText = (name: string) => `apiVersion: v1\nkind: Node\nmetadata: { name: ${name} }\n---\n`;
const parsed = (file: string, text: string) => parseManifest(Buffer.from(text), `${LOCATION}/${file}`);

function makeStore() {
  const store = new ManifestStore({ location: LOCATION, removalSettle: SETTLE, secondLook: SECOND_LOOK });
  return {
    store,
    read: (file: string, text: string) => store.read(file, parsed(file, text)),
    /** `name:port` of the services that are believed. */
    services: () => store.snapshot.services.map(({ name, ports }) => `${name}:${ports[0]?.port}`),
    codes: () => store.snapshot.problems.map(({ code }) => code),
  };
}

describe('nextFileState', () => {
  const before = nextFileState(undefined, parsed('a.yaml', serviceText('a') + serviceText('b')));
  const after = (text: string, previous: FileState | undefined = before) => {
    const { objects, understood } = nextFileState(previous, parsed('a.yaml', text));
    const ports = objects.map(
      (object) => `${object.name}:${object.kind === 'Service' && object.ports[0]?.port}`,
    );
    return { objects: ports.sort(), understood };
  };

  test.each<[string, string, string[]]>([
    ['a good text replaces', serviceText('c'), ['c:80']],
    ['a broken text keeps everything', 'a: [', ['a:80', 'b:80']],
    ['a broken text with a good document', `${serviceText('a', 81)}x: [`, ['a:81', 'b:80']],
    ['a broken text with a new object', `${serviceText('c')}x: [`, ['a:80', 'b:80', 'c:80']],
    [
      'an object that is refused stays, one that is left out goes',
      serviceText('a').replace('80', 'x'),
      ['a:80'],
    ],
    ['no document', '# nothing', []],
  ])('%s', (_, text, objects) => expect(after(text)).toEqual({ objects, understood: true }));

  test('what was never understood says so', () => {
    expect(nextFileState(undefined, parsed('a.yaml', 'x: [')).understood).toBe(false);
    expect(nextFileState(undefined, parsed('a.yaml', serviceText('a').replace('80', 'x'))).understood).toBe(
      false,
    );
  });
});

describe('the same object in two files', () => {
  const files = (names: string[]) =>
    new Map(
      names.map((name, index) => [
        name,
        nextFileState(undefined, parsed(name, serviceText('a', 80 + index))),
      ]),
    );

  test.each([[['a.yaml', 'b.yaml']], [['b.yaml', 'a.yaml']]])('%j: the first by name counts', (names) => {
    const { services, problems } = mergeFiles(files(names));
    expect(services.map(({ origin }) => origin?.file)).toEqual(['/m/a.yaml']);
    expect(problems).toMatchObject([
      { severity: 'error', code: 'duplicate-object', file: '/m/b.yaml', line: 1 },
    ]);
    expect(problems[0]?.message).toContain('/m/a.yaml:1');
  });

  test('a Service and an EndpointSlice of one name are two objects', () => {
    const slice =
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: a }\naddressType: IPv4\n';
    const state = nextFileState(undefined, parsed('a.yaml', serviceText('a') + slice));
    expect(mergeFiles(new Map([['a.yaml', state]]))).toMatchObject({
      services: [{}],
      slices: [{}],
      problems: [],
    });
  });
});

describe('what is believed', () => {
  test('the loss of all Nodes, after a second look of its own', () => {
    const { store, read, services, codes } = makeStore();
    const nodes = () => store.snapshot.nodes.map(({ name }) => name);
    read('a.yaml', serviceText('a'));
    read('n.yaml', nodeText('w1') + nodeText('w2'));
    store.settle(0);
    expect(nodes()).toEqual(['w1', 'w2']);
    read('n.yaml', nodeText('w2'));
    expect(store.settle(10)).toEqual({ changed: true });
    read('n.yaml', '# none');
    expect(store.settle(100)).toEqual({ changed: true, lookAgainAt: 100 + SECOND_LOOK });
    expect([nodes(), codes()]).toEqual([['w2'], ['source-empty']]);
    // Another doubt has a time of its own.
    read('a.yaml', '# none');
    expect(store.settle(1_000)).toEqual({ changed: true, lookAgainAt: 1_000 + SECOND_LOOK });
    expect([nodes(), services()]).toEqual([['w2'], ['a:80']]);
    read('a.yaml', serviceText('a'));
    store.settle(2_000);
    expect(store.settle(2_000 + SECOND_LOOK)).toEqual({ changed: true });
    expect([nodes(), services(), codes()]).toEqual([[], ['a:80'], []]);
  });

  test('one Node in two files is the first one', () => {
    const files = ['a.yaml', 'b.yaml'].map(
      (name) => [name, nextFileState(undefined, parsed(name, nodeText('w1')))] as const,
    );
    const { nodes, problems } = mergeFiles(new Map(files));
    expect(nodes.map(({ origin }) => origin?.file)).toEqual(['/m/a.yaml']);
    expect(problems).toMatchObject([{ code: 'duplicate-object', object: { kind: 'Node', name: 'w1' } }]);
    expect(problems[0]?.message).toMatch(/^Node w1 is already in/);
  });

  test('the first list', () => {
    const { store, read, services } = makeStore();
    read('a.yaml', serviceText('a'));
    expect(store.snapshot).toMatchObject({ services: [], synced: false });
    expect(store.settle(7)).toEqual({ changed: true });
    expect(services()).toEqual(['a:80']);
    expect(store.snapshot).toMatchObject({ synced: true, complete: true, lastChangeAt: 7 });
    expect(store.settle(8)).toEqual({ changed: false });
    expect(store.snapshot.lastChangeAt).toBe(7);
  });

  test('a broken file at the start: synced, but not complete', () => {
    const { store, read, services, codes } = makeStore();
    read('a.yaml', serviceText('a'));
    read('b.yaml', 'x: [');
    store.settle(0);
    expect(services()).toEqual(['a:80']);
    expect(codes()).toEqual(['yaml-syntax']);
    expect(store.snapshot).toMatchObject({ synced: true, complete: false });
    read('b.yaml', serviceText('b'));
    expect(store.settle(1)).toEqual({ changed: true });
    expect(store.snapshot).toMatchObject({ complete: true, problems: [] });
  });

  test('a file that goes: when no other went for a moment', () => {
    const { store, read, services } = makeStore();
    for (const name of ['a', 'b', 'c']) read(`${name}.yaml`, serviceText(name));
    store.settle(0);
    store.gone('a.yaml', 100);
    expect(store.settle(100)).toEqual({ changed: false, lookAgainAt: 100 + SETTLE });
    store.gone('b.yaml', 400);
    expect(store.settle(400)).toEqual({ changed: false, lookAgainAt: 400 + SETTLE });
    // Being told again puts nothing off.
    store.gone('a.yaml', 600);
    expect(store.settle(899)).toEqual({ changed: false, lookAgainAt: 900 });
    expect(services()).toHaveLength(3);
    expect(store.settle(900)).toEqual({ changed: true });
    expect(services()).toEqual(['c:80']);
  });

  test('a file that is back in time was never away', () => {
    const { store, read, services } = makeStore();
    read('a.yaml', serviceText('a'));
    read('b.yaml', serviceText('b'));
    store.settle(0);
    store.gone('a.yaml', 1);
    store.settle(1);
    store.unchanged('a.yaml');
    expect(store.settle(1 + SETTLE)).toEqual({ changed: false });
    expect(services()).toEqual(['a:80', 'b:80']);
  });

  test('a directory that is removed file by file: nothing goes before the second look', () => {
    const { store, read, services, codes } = makeStore();
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    for (const name of names) read(`${name}.yaml`, serviceText(name));
    store.settle(0);
    for (const [index, name] of names.entries()) {
      store.gone(`${name}.yaml`, index * 100);
      store.settle(index * 100);
    }
    const allGone = 1_900 + SETTLE;
    expect(store.settle(allGone)).toEqual({ changed: true, lookAgainAt: allGone + SECOND_LOOK });
    expect(codes()).toEqual(['source-empty']);
    expect(services()).toHaveLength(20);
    expect(store.settle(allGone + SECOND_LOOK - 1)).toEqual({
      changed: false,
      lookAgainAt: allGone + SECOND_LOOK,
    });
    expect(services()).toHaveLength(20);
    expect(store.settle(allGone + SECOND_LOOK)).toEqual({ changed: true });
    expect(services()).toEqual([]);
    expect(codes()).toEqual([]);
  });

  test('files that lose their objects without going', () => {
    const { store, read, services } = makeStore();
    read('a.yaml', serviceText('a'));
    store.settle(0);
    read('a.yaml', '# later');
    expect(store.settle(10)).toEqual({ changed: true, lookAgainAt: 10 + SECOND_LOOK });
    expect(services()).toEqual(['a:80']);
    read('a.yaml', serviceText('a', 81));
    expect(store.settle(20)).toEqual({ changed: true });
    expect(services()).toEqual(['a:81']);
    // The doubt begins anew.
    read('a.yaml', '# later');
    expect(store.settle(30)).toEqual({ changed: true, lookAgainAt: 30 + SECOND_LOOK });
  });

  test('an empty directory at the start is no complete list before the second look', () => {
    const { store } = makeStore();
    expect(store.settle(0)).toEqual({ changed: true, lookAgainAt: SECOND_LOOK });
    expect(store.snapshot.synced).toBe(false);
    expect(store.settle(SECOND_LOOK)).toEqual({ changed: true });
    expect(store.snapshot).toMatchObject({ synced: true, complete: true, problems: [] });
    expect(store.settle(SECOND_LOOK + 1)).toEqual({ changed: false });
  });

  test('an unreadable directory: everything stays, however long', () => {
    const { store, read, services, codes } = makeStore();
    read('a.yaml', serviceText('a'));
    store.settle(0);
    store.gone('a.yaml', 1);
    const problem = { severity: 'error', code: 'source-unreadable', message: 'x' } as const;
    expect(store.unreadable(problem)).toEqual({ changed: true });
    expect(store.unreadable(problem)).toEqual({ changed: false });
    expect(services()).toEqual(['a:80']);
    expect(codes()).toEqual(['source-unreadable']);
    store.unchanged('a.yaml');
    store.settle(1e9);
    expect(services()).toEqual(['a:80']);
    expect(codes()).toEqual([]);
  });

  test('an unreadable directory at the start is no list', () => {
    const { store } = makeStore();
    store.unreadable({ severity: 'error', code: 'source-unreadable', message: 'x' });
    expect(store.snapshot.synced).toBe(false);
  });
});

describe('for any files', () => {
  const content = fc.oneof(
    fc.constantFrom('a', 'b', 'c', 'd').map((name) => serviceText(name)),
    fc.constantFrom('x: [', '"', 'a: 1', serviceText('z').replace('80', 'x')),
  );
  const files = fc.dictionary(fc.constantFrom('1.yaml', '2.yaml', '3.yaml', '4.yaml'), content);
  const statesOf = (contents: Record<string, string>, order: readonly string[]) =>
    new Map(order.map((name) => [name, nextFileState(undefined, parsed(name, contents[name] ?? ''))]));

  test('their order does not matter', () => {
    fc.assert(
      fc.property(files, (contents) => {
        const names = Object.keys(contents);
        expect(mergeFiles(statesOf(contents, names.toReversed()))).toEqual(
          mergeFiles(statesOf(contents, names)),
        );
      }),
    );
  });

  test('broken ones leave the others as they are', () => {
    fc.assert(
      fc.property(
        files,
        fc.dictionary(fc.constantFrom('0.yaml', '5.yaml'), fc.constantFrom('x: [', '"', '- ', 'a: 1')),
        (good, broken) => {
          const all = { ...good, ...broken };
          const { services } = mergeFiles(statesOf(all, Object.keys(all)));
          expect(services).toEqual(mergeFiles(statesOf(good, Object.keys(good))).services);
        },
      ),
    );
  });

  test('any of them breaking later changes no object', () => {
    fc.assert(
      fc.property(files, fc.nat(15), fc.uint8Array({ maxLength: 20 }), (contents, mask, noise) => {
        const names = Object.keys(contents);
        const before = statesOf(contents, names);
        const after = new Map(
          names.map((name, index) => {
            const bytes = mask & (1 << index) ? Buffer.concat([Buffer.from('x: [\n'), noise]) : undefined;
            const next =
              bytes && nextFileState(before.get(name), parseManifest(bytes, `${LOCATION}/${name}`));
            return [name, next ?? (before.get(name) as FileState)];
          }),
        );
        expect(mergeFiles(after).services).toEqual(mergeFiles(before).services);
      }),
    );
  });
});
