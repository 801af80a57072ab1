import { describe, expect, test } from 'vitest';
import { EventBook, type EventWrite, type Notice } from '../../../src/controller/event-book.ts';
import { noticesOfProblems } from '../../../src/controller/notices.ts';
import { balancer } from './balancers.ts';

const MINUTE = 60_000;
const START = 1_000_000;

const notice = (message: string, name = 'web'): Notice => ({
  service: { namespace: 'test', name, uid: `uid-${name}` },
  type: 'Warning',
  reason: 'PoolExhausted',
  message,
});

/** Looks, and writes what is due as a server would that counts. */
function look(
  book: EventBook,
  standing: readonly Notice[],
  at: number,
  happened: readonly Notice[] = [],
): EventWrite[] {
  const writes = book.due(standing, happened, START + at);
  for (const write of writes) book.said(write, write.count ?? 1, START + at);
  return writes;
}

describe('EventBook', () => {
  test('what stands is said once, and again when Events are about to be forgotten', () => {
    const book = new EventBook();
    expect(look(book, [notice('full')], 0)).toHaveLength(1);
    expect(look(book, [notice('full')], 1_000)).toEqual([]);
    expect(look(book, [notice('full')], 29 * MINUTE)).toEqual([]);
    const [again] = look(book, [notice('full')], 30 * MINUTE);
    expect(again).toMatchObject({ count: 2, firstAt: START });
  });

  test('what ends and begins again is the same Event, counted', () => {
    const book = new EventBook();
    const [first] = look(book, [notice('full')], 0);
    expect(look(book, [], 1_000)).toEqual([]);
    const [second] = look(book, [notice('full')], 2_000);
    expect(second).toMatchObject({ name: first?.name, count: 2 });
  });

  test('another leader gives it the same name', () => {
    const [mine] = look(new EventBook(), [notice('full')], 0);
    const [theirs] = look(new EventBook(), [notice('full')], 5 * MINUTE);
    expect(theirs?.name).toBe(mine?.name);
    expect(mine?.name).toMatch(/^web\.[0-9a-f]{16}$/);
  });

  test('one that flaps is said 25 times, then once in 5 minutes; another Service is not held up', () => {
    const book = new EventBook();
    let said = 0;
    for (let second = 0; second < 600; second++) {
      said += look(book, second % 2 === 0 ? [notice('full')] : [], second * 1_000).length;
    }
    expect(said).toBe(25 + 1);
    expect(look(book, [notice('full', 'other')], 600_000)).toHaveLength(1);
  });

  test('what stands and could not be said is said when there is room', () => {
    const book = new EventBook();
    const happened = Array.from({ length: 30 }, (_, index) => notice(`event ${index}`));
    expect(look(book, [], 0, happened)).toHaveLength(25);
    expect(book.suppressed).toBe(5);
    expect(look(book, [notice('stands')], 1_000)).toEqual([]);
    expect(look(book, [notice('stands')], 6 * MINUTE)).toHaveLength(1);
  });

  test('many of one kind become one', () => {
    const book = new EventBook();
    const many = Array.from({ length: 40 }, (_, index) => notice(`port ${index}`));
    const writes = look(book, many, 0);
    expect(writes.map((each) => each.notice.message)).toEqual(['port 0 (and 39 more like this)']);
    expect(look(book, many.slice(0, 3), 1_000)).toHaveLength(3);
  });

  test('all together are limited too', () => {
    const book = new EventBook();
    const many = Array.from({ length: 1_000 }, (_, index) => notice('full', `web-${index}`));
    expect(look(book, many, 0)).toHaveLength(200);
    // Ten a second.
    expect(look(book, many, 10_000)).toHaveLength(100);
    const rest = Array.from({ length: 90 }, (_, index) => look(book, many, 20_000 + index * 1_000).length);
    expect(rest.reduce((sum, count) => sum + count, 0)).toBe(700);
  });

  test('a message is cut to what the server takes', () => {
    const [write] = look(new EventBook(), [notice('ä'.repeat(2_000))], 0);
    expect(Buffer.byteLength(write?.notice.message ?? '')).toBeLessThanOrEqual(1_024);
  });
});

test('of problems, those of Services, without those that are another load balancer’s business', () => {
  const object = { kind: 'Service', namespace: 'test', name: 'web' };
  const problem = (code: string, about: object = object) =>
    ({ severity: 'error', code, message: `about ${code}`, object: about }) as never;
  const notices = noticesOfProblems(
    [
      problem('unsupported-protocol'),
      problem('address-outside-ranges'),
      problem('duplicate-frontend', { ...object, name: 'gone' }),
      problem('slice-without-service', { ...object, kind: 'EndpointSlice' }),
    ],
    [balancer('web', 1)],
  );
  expect(notices.map(({ reason, message, service }) => [reason, message, service.uid])).toEqual([
    ['UnsupportedProtocol', 'about unsupported-protocol', 'uid-web'],
  ]);
});
