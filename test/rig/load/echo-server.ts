/**
 * TCP echo that first says who it is: `echo-server.ts ADDRESS PORT [NAME]`. Without a name it is the
 * address that the client reached, for one server of many pods.
 */
import { createServer } from 'node:net';

const [address = '', port = '', name] = process.argv.slice(2);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {}); // the client counts what broke
  socket.write(`${name ?? socket.localAddress}\n`);
  socket.pipe(socket);
});
server.listen({ host: address, port: Number(port), backlog: 4096 }, () =>
  console.log(`${name ?? 'all pods'} listening on ${address}:${port}`),
);
