/**
 * Sends datagrams of given sizes to an echo server, one after the other, each
 * until it comes back whole: `udp-exchange.ts HOST PORT SIZE...`. Prints a JSON
 * list of how often each was sent; a datagram that does not come back within
 * TRIES ends it with status 1.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

const TRIES = 5;
/** Milliseconds. */
const PATIENCE = 1000;

const [host = '', port = '', ...sizes] = process.argv.slice(2);
const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
// Connected: an answer from another address than the VIP is not taken. An ICMP error is as good as a loss.
socket.on('error', () => {});
await new Promise<void>((resolve) => socket.connect(Number(port), host, resolve));

function comesBack(data: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(false), PATIENCE);
    const look = (answer: Buffer) => {
      if (answer.equals(data)) finish(true);
    };
    const finish = (whole: boolean) => {
      clearTimeout(timer);
      socket.off('message', look);
      resolve(whole);
    };
    socket.on('message', look);
    socket.send(data);
  });
}

async function sendings(size: number): Promise<number> {
  for (let sent = 1; sent <= TRIES; sent++) if (await comesBack(randomBytes(size))) return sent;
  throw new Error(`${size} bytes to ${host} did not come back in ${TRIES} tries`);
}

const results: number[] = [];
for (const size of sizes) results.push(await sendings(Number(size)));
socket.close();
console.log(JSON.stringify(results));
