/** UDP echo: `udp-echo-server.ts PORT ADDRESS...`. A socket for each address, so that answers leave from it. */
import { createSocket } from 'node:dgram';

const [port = '', ...addresses] = process.argv.slice(2);

await Promise.all(
  addresses.map(async (address) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    // A client that is gone, or a path that is narrower than thought: the client counts what broke.
    socket.on('error', () => {});
    socket.on('message', (data, { port: to, address: client }) => socket.send(data, to, client));
    await new Promise<void>((resolve) => socket.bind(Number(port), address, resolve));
  }),
);
console.log(`listening on ${addresses.length} addresses`);
