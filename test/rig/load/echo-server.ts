/** TCP echo that first says who it is: `echo-server.ts ADDRESS PORT NAME`. */
import { createServer } from 'node:net';

const [address = '', port = '', name = ''] = process.argv.slice(2);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {}); // the client counts what broke
  socket.write(`${name}\n`);
  socket.pipe(socket);
});
server.listen(Number(port), address, () => console.log(`${name} listening on ${address}:${port}`));
