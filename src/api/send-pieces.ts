/** Long answers, sent while they are made: neither they nor a slow client take more than a piece of memory. */
import type { ServerResponse } from 'node:http';

/** Characters; a few milliseconds of JSON. */
const PIECE_LENGTH = 2 ** 16;

/** An error before the first piece is thrown, so that it can still be answered; and so is a later one. */
export async function sendPieces(
  response: ServerResponse,
  contentType: string,
  pieces: AsyncIterable<string | Uint8Array>,
): Promise<void> {
  for await (const piece of pieces) {
    // Whoever makes the pieces is told, by leaving the loop, that nobody wants them any more.
    if (isGone(response)) return;
    if (!response.headersSent) {
      response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
    }
    if (!response.write(piece)) await writable(response);
  }
  response.end();
}

/** A JSON array in pieces. */
export async function* jsonArray(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  let text = '[';
  let isFirst = true;
  for await (const item of items) {
    text += `${isFirst ? '' : ','}${JSON.stringify(item)}`;
    isFirst = false;
    if (text.length < PIECE_LENGTH) continue;
    yield text;
    text = '';
  }
  yield `${text}]\n`;
}

/** A response that waits behind another one of its connection is not told of the connection's end. */
function isGone({ destroyed, req }: ServerResponse): boolean {
  return destroyed || req.socket.destroyed;
}

/** Resolves when the client has taken what was written, or is gone. */
function writable(response: ServerResponse): Promise<void> {
  if (isGone(response)) return Promise.resolve();
  return new Promise((resolve) => {
    const { socket } = response.req;
    const done = (): void => {
      response.off('drain', done).off('close', done);
      socket.off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    socket.on('close', done);
  });
}
