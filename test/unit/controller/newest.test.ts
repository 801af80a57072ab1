import { expect, test } from 'vitest';
import { NewestServices } from '../../../src/controller/newest.ts';
import { balancer } from './balancers.ts';

const at = (version: string, has: readonly string[] = []) => balancer('web', 1, { version, has });

test('what the server answered counts until the watch has said as much', () => {
  const newest = new NewestServices();
  const watched = [at('9')];
  expect(newest.merge(watched, 0)).toBe(watched);
  newest.note(at('10', ['10.1.0.16']), 0);
  expect(newest.merge(watched, 1)[0]?.ingress).toHaveLength(1);
  const caughtUp = [at('10', ['10.1.0.16'])];
  expect(newest.merge(caughtUp, 2)).toBe(caughtUp);
  // No longer known, so what the watch says is all there is.
  expect(newest.merge(watched, 3)).toBe(watched);
});

test('an older answer does not replace a newer one', () => {
  const newest = new NewestServices();
  newest.note(at('100'), 0);
  newest.note(at('99', ['10.1.0.16']), 0);
  expect(newest.merge([at('1')], 1)[0]?.version).toBe('100');
});

test('a Service that the watch does not have is there until it must have heard of it, or it is gone', () => {
  const newest = new NewestServices();
  newest.note(at('10'), 0);
  expect(newest.merge([], 119_999)).toHaveLength(1);
  expect(newest.merge([], 120_000)).toHaveLength(0);
  newest.note(at('11'), 0);
  newest.forget(at('11'));
  expect(newest.merge([], 1)).toHaveLength(0);
});

test('a Service that the watch had and has no longer is gone, however new the answer', () => {
  const newest = new NewestServices();
  newest.merge([at('9')], 0);
  newest.note(at('10', ['10.1.0.16']), 0);
  expect(newest.merge([], 1)).toEqual([]);
  // Also one that came to the watch after the answer.
  newest.note(at('12'), 0);
  expect(newest.merge([], 2)).toHaveLength(1);
  expect(newest.merge([at('11')], 3)[0]?.version).toBe('12');
  expect(newest.merge([], 4)).toEqual([]);
  // Made again under its name, it is another.
  newest.note({ ...at('20'), uid: 'another' }, 5);
  expect(newest.merge([], 6)).toHaveLength(1);
});
