import { expect, test } from 'vitest';
import {
  failureOfAnswer,
  failureOfError,
  failureOfErrorEvent,
  silentFailure,
} from '../../../src/kubernetes/api-failure.ts';
import { jsonLines } from '../../../src/kubernetes/json-lines.ts';

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

test.each([
  [coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'), 'refuses the connection (ECONNREFUSED)'],
  [coded('ENOTFOUND', 'getaddrinfo'), 'has a name that is not known (ENOTFOUND)'],
  [
    coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate'),
    "shows a certificate that is not trusted (unable to verify the first certificate); give the cluster's own certificate-authority, and the server by a name it has",
  ],
  [coded('CERT_HAS_EXPIRED', 'certificate has expired'), /not trusted \(certificate has expired\)/],
  [coded('EPROTO', 'wrong version number'), 'cannot be asked: wrong version number'],
  ['a text', 'cannot be asked: a text'],
  [silentFailure(75_000), 'was silent for 75 s'],
])('what is thrown on the way is said in words: %s', (error, message) => {
  const failure = failureOfError(error);
  expect(failure).toMatchObject({ kind: 'unreachable', unauthorized: false });
  expect(failure.message).toMatch(message);
});

test('answers say what the server said, and what to do', () => {
  const status = (code: number, message: string): string => JSON.stringify({ kind: 'Status', code, message });
  expect(failureOfAnswer(401, status(401, 'Unauthorized'))).toMatchObject({
    kind: 'refused',
    unauthorized: true,
    message: 'answers 401: Unauthorized; the token or client certificate is wrong or has expired: renew it',
  });
  expect(failureOfAnswer(403, status(403, 'services is forbidden')).message).toBe(
    "answers 403: services is forbidden; give the agent's identity the rights list and watch",
  );
  expect(failureOfAnswer(403, status(403, 'no'), 'the right to sing').message).toBe(
    "answers 403: no; give the agent's identity the right to sing",
  );
  expect(failureOfAnswer(404, status(404, 'not found')).kind).toBe('missing');
  expect(failureOfAnswer(409, status(409, 'modified')).kind).toBe('conflict');
  expect(failureOfAnswer(422, status(422, 'invalid'))).toMatchObject({ kind: 'refused', invalid: true });
  expect(failureOfAnswer(410, status(410, 'too old'))).toMatchObject({ kind: 'gone' });
  expect(failureOfAnswer(502, '<html>Bad Gateway</html>').message).toBe(
    'answers 502: <html>Bad Gateway</html>',
  );
  expect(failureOfErrorEvent({ code: 410, message: 'too old' }).kind).toBe('gone');
  expect(failureOfErrorEvent(null).message).toBe('answers 500');
});

test('lines are read whatever the pieces they come in, and letters of several bytes stay whole', async () => {
  const values = [{ a: 1 }, { name: 'käse 🧀' }, [], 'x'.repeat(100)];
  const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join('\n'));
  for (const size of [1, 2, 3, 7, 1_000]) {
    const read: unknown[] = [];
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    };
    for await (const value of jsonLines(pieces())) read.push(value);
    expect(read).toEqual(values);
  }
});

test('an end in the midst of a line is no end', async () => {
  const pieces = async function* () {
    yield Buffer.from('{"a":1}\n{"b"');
  };
  const lines = jsonLines(pieces());
  expect((await lines.next()).value).toEqual({ a: 1 });
  await expect(lines.next()).rejects.toThrow('it ended in the middle of an event');
});
