import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runAtOnce } from '../../../src/slices/run-in-slices.ts';
import { decodeService } from '../../../src/sources/kube-decoders.ts';
import type { KubeNode, Service } from '../../../src/sources/kube-objects.ts';
import { decodeNode } from '../../../src/sources/node-decoder.ts';
import { ObjectShelf, type ShelfItem } from '../../../src/sources/object-shelf.ts';

function item(name: string, version = 1, port: unknown = 80): ShelfItem<Service> {
  const metadata = { namespace: 'default', name, uid: `uid-${name}`, resourceVersion: String(version) };
  return new ObjectShelf<Service>('Service').read({ metadata, spec: { ports: [{ port }] } }, decodeService);
}

function shelfOf(...items: ReadonlyArray<ShelfItem<Service>>): ObjectShelf<Service> {
  const shelf = new ObjectShelf<Service>('Service');
  runAtOnce(shelf.replace(items));
  return shelf;
}

const names = (shelf: ObjectShelf<Service>): string[] => shelf.objects().map(({ name }) => name);

test('an object that is heard again in the same version is the same, and so is the list', () => {
  const shelf = shelfOf(item('a'), item('b'));
  const before = shelf.objects();
  expect(runAtOnce(shelf.replace([item('b'), item('a')]))).toBe(false);
  expect(shelf.upsert(item('a'))).toBe(false);
  expect(shelf.objects()).toBe(before);
  expect(shelf.upsert(item('a', 2, 81))).toBe(true);
  expect(shelf.objects()[1]).toBe(before[1]);
  expect(before[0]?.ports[0]?.port).toBe(80);
  expect(shelf.objects()[0]?.ports[0]?.port).toBe(81);
});

test('a version that is there already is not decoded again', () => {
  const shelf = new ObjectShelf<Service>('Service');
  const read = (version: number) =>
    shelf.read(
      { metadata: { namespace: 'default', name: 'a', uid: 'u', resourceVersion: String(version) } },
      decodeService,
    );
  const first = read(1);
  expect(first.decoded?.ok).toBe(true);
  runAtOnce(shelf.replace([first]));
  expect(read(1)).not.toHaveProperty('decoded');
  expect(read(2).decoded?.ok).toBe(true);
  const known = shelf.objects();
  expect(runAtOnce(shelf.replace([read(1)]))).toBe(false);
  expect(shelf.objects()).toBe(known);
  const late = read(1);
  shelf.remove(late);
  expect(() => shelf.upsert(late)).toThrow('version u 1 of default/a is not known any more');
});

test('what cannot be decoded stays as it was, with a problem, until it is mended or gone', () => {
  const shelf = shelfOf(item('a'));
  shelf.upsert(item('a', 2, 'eighty'));
  expect(shelf.objects()[0]?.ports[0]?.port).toBe(80);
  expect(shelf.complete).toBe(true);
  expect(shelf.problems()).toEqual([
    {
      severity: 'error',
      code: 'invalid-object',
      message: expect.stringMatching(
        /^spec\.ports\.0\.port: .*; the object stays as it was until this is mended$/,
      ),
      object: { kind: 'Service', namespace: 'default', name: 'a' },
    },
  ]);
  shelf.upsert(item('a', 3, 82));
  expect([shelf.problems(), shelf.objects()[0]?.ports[0]?.port]).toEqual([[], 82]);
});

test('what could never be decoded is left out, and deletions wait for it', () => {
  const shelf = shelfOf(item('a', 1, 'eighty'), item('b'));
  expect([names(shelf), shelf.size, shelf.complete]).toEqual([['b'], 2, false]);
  expect(shelf.problems()[0]?.message).toMatch(/it is left out until this is mended/);
  shelf.remove({ key: 'default/a' });
  expect([shelf.problems(), shelf.complete]).toEqual([[], true]);
});

test('any changes leave the objects in order, as a new shelf would have them', () => {
  const change = fc.record({
    name: fc.integer({ min: 0, max: 400 }),
    remove: fc.boolean(),
    look: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 600 }), (changes) => {
      const shelf = new ObjectShelf<Service>('Service');
      const truth = new Map<string, ShelfItem<Service>>();
      changes.forEach(({ name, remove, look }, version) => {
        const next = item(`n-${name}`, version);
        if (remove) truth.delete(next.key);
        else truth.set(next.key, next);
        if (remove) shelf.remove(next);
        else shelf.upsert(next);
        if (look) shelf.objects();
      });
      expect(shelf.objects()).toEqual(shelfOf(...truth.values()).objects());
      expect(names(shelf)).toEqual([...names(shelf)].sort());
    }),
    { numRuns: 50 },
  );
});

test('a list shows nothing of itself until it is taken in as a whole, few changes or many', () => {
  fc.assert(
    fc.property(fc.constantFrom(3, 2_500), fc.infiniteStream(fc.boolean()), (count, coins) => {
      const flip = () => coins.next().value === true;
      const numbers = Array.from({ length: count }, (_, n) => n);
      const shelf = shelfOf(...numbers.map((n) => item(`n-${n}`)));
      const before = shelf.objects();
      const stay = numbers.filter(() => flip());
      const next = [
        ...stay.map((n) => item(`n-${n}`, flip() ? 2 : 1)),
        item('a-new'),
        item('bad', 1, 'eighty'),
      ];
      const steps = shelf.replace(next);
      for (let piece = 0; ; piece++) {
        const { done } = steps.next();
        if (done === true) break;
        if (piece % 50 === 0) {
          expect(shelf.objects()).toBe(before);
          expect([shelf.size, shelf.complete]).toEqual([count, true]);
        }
      }
      expect(shelf.objects()).toEqual(shelfOf(...next).objects());
      expect(names(shelf)).toEqual(['a-new', ...stay.map((n) => `n-${n}`)].sort());
      expect([shelf.size, shelf.complete]).toEqual([stay.length + 2, false]);
      expect(shelf.problems().length).toBe(1);
    }),
    { numRuns: 10 },
  );
});

test('a list that cannot be taken in changes nothing', () => {
  const shelf = shelfOf(item('a'), item('b'));
  const before = shelf.objects();
  const { decoded: _, ...unknown } = item('c');
  expect(() => runAtOnce(shelf.replace([item('a', 2, 81), unknown]))).toThrow('not known any more');
  expect(shelf.objects()).toBe(before);
  expect(shelf.size).toBe(2);
});

test('a new version in which nothing is new to us is no change: the heartbeat of a Node', () => {
  const shelf = new ObjectShelf<KubeNode>('Node');
  const heard = (version: number, ready: unknown, beat: string) => {
    const metadata = { name: 'w1', uid: 'u', resourceVersion: String(version) };
    const conditions = [{ type: 'Ready', status: ready, lastHeartbeatTime: beat }];
    return shelf.read({ metadata, status: { conditions, images: [{ names: [beat] }] } }, decodeNode);
  };
  expect(runAtOnce(shelf.replace([heard(1, 'True', 'a')]))).toBe(true);
  const before = shelf.objects();
  expect(shelf.upsert(heard(2, 'True', 'b'))).toBe(false);
  expect(runAtOnce(shelf.replace([heard(3, 'True', 'c')]))).toBe(false);
  expect(shelf.objects()).toBe(before);
  // The version is taken all the same.
  expect(heard(3, 'True', 'c')).not.toHaveProperty('decoded');
  expect(shelf.upsert(heard(4, 'False', 'd'))).toBe(true);
  expect(shelf.upsert(heard(5, 7, 'e'))).toBe(true);
  expect(shelf.problems()).toMatchObject([{ object: { kind: 'Node', namespace: '', name: 'w1' } }]);
  // As it was before, but mended.
  expect(shelf.upsert(heard(6, 'False', 'f'))).toBe(true);
  expect([shelf.problems(), shelf.objects()]).toMatchObject([[], [{ name: 'w1', ready: false }]]);
});
