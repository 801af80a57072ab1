/** What the source says does not wait for what is slow. */
import { expect, test } from 'vitest';
import { News } from '../../../src/agent/news.ts';

/** A promise that is settled by hand. */
function byHand<T>() {
  let settle: { resolve(value: T): void; reject(error: unknown): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as NonNullable<typeof settle>) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const news = new News();
  const looks: Array<ReturnType<typeof byHand<void>>> = [];
  const work = byHand<string>();
  const result = news.during(work.promise, () => {
    news.clear();
    const look = byHand<void>();
    looks.push(look);
    return look.promise;
  });
  return { news, looks, work, result };
}

test('news are looked at while the work goes on, one look after the other', async () => {
  const { news, looks, work, result } = setUp();
  await turn();
  expect(looks.length).toBe(0);
  news.tell();
  await turn();
  expect(looks.length).toBe(1);
  news.tell();
  news.tell();
  await turn();
  expect(looks.length).toBe(1);
  looks[0]?.resolve();
  await turn();
  expect(looks.length).toBe(2);
  looks[1]?.resolve();
  work.resolve('done');
  expect(await result).toBe('done');
  expect(looks.length).toBe(2);
});

test('news of the last moment, and from before, are looked at before it ends', async () => {
  const { news, looks, work, result } = setUp();
  let isOver = false;
  result.then(() => {
    isOver = true;
  });
  await turn();
  news.tell();
  work.resolve('done');
  await turn();
  expect([looks.length, isOver]).toEqual([1, false]);
  news.tell();
  looks[0]?.resolve();
  await turn();
  expect([looks.length, isOver]).toEqual([2, false]);
  looks[1]?.resolve();
  expect(await result).toBe('done');
});

test('work that fails fails after the look that is under way', async () => {
  const { news, looks, work, result } = setUp();
  await turn();
  news.tell();
  await turn();
  work.reject(new Error('no such device'));
  const failed = expect(result).rejects.toThrow('no such device');
  await turn();
  looks[0]?.resolve();
  await failed;
});
