/**
 * Servers of many pods in one process: `pod-host.ts PORT`. HTTP and UDP on that port of each pod's address;
 * both say the pod's name, HTTP's `/from` the client. What pods do is told in lines on standard input, each
 * answered by one when it is done: `start NAME ADDRESS`; `quit NAME`, as a good server does at SIGTERM: answers
 * close their connections, and when none is left it ends. The answer to `quit` is how many had to be cut.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';

/** Milliseconds for connections to end: those without a request stay open that long. */
const GRACE = 5000;

interface PodServer {
  readonly http: Server;
  readonly udp: Socket;
  quitting: boolean;
}

const port = Number(process.argv[2]);
const pods = new Map<string, PodServer>();

async function start(name: string, address: string): Promise<void> {
  const http = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (pod.quitting) response.setHeader('connection', 'close');
    response.end(`${request.url === '/from' ? request.socket.remoteAddress : name}\n`);
  });
  const udp = createSocket('udp4');
  const pod: PodServer = { http, udp, quitting: false };
  pods.set(name, pod);
  udp.on('error', () => {}); // a client that is gone
  udp.on('message', (_, client) => udp.send(`${name}\n`, client.port, client.address));
  await new Promise<void>((resolve) => http.listen({ host: address, port, backlog: 4096 }, resolve));
  await new Promise<void>((resolve) => udp.bind(port, address, resolve));
}

const connections = (http: Server): Promise<number> =>
  new Promise((resolve) => http.getConnections((_, count) => resolve(count ?? 0)));

async function quit(name: string): Promise<number> {
  const pod = pods.get(name);
  if (pod === undefined) throw new Error(`no pod ${name}`);
  pod.quitting = true;
  const deadline = Date.now() + GRACE;
  while ((await connections(pod.http)) > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const cut = await connections(pod.http);
  const closed = new Promise((resolve) => pod.http.close(resolve));
  pod.http.closeAllConnections();
  await closed;
  pod.udp.close();
  pods.delete(name);
  return cut;
}

console.log('"ready"');
for await (const line of createInterface({ input: process.stdin })) {
  const [word, name = '', address = ''] = line.split(' ');
  if (word === 'start') await start(name, address);
  console.log(word === 'quit' ? await quit(name) : 0);
}
process.exit(0);
