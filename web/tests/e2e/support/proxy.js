// An HTTP proxy that knows CONNECT alone (RFC 9110, section 9.3.6). Given an IP and a port, it runs
// there until it is ended.

import { createServer } from 'node:http';
import { connect } from 'node:net';

const [host, port] = process.argv.slice(2);

const server = createServer((_, response) => response.writeHead(405).end());

server.on('connect', ({ url }, client, head) => {
  const { hostname, port: wanted } = new URL(`tcp://${url}`);
  const target = connect(Number(wanted), hostname);
  // Media must not wait for the answer to what went before.
  target.setNoDelay(true);
  client.setNoDelay(true);
  const end = () => {
    target.destroy();
    client.destroy();
  };
  target.once('connect', () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    target.write(head);
    target.pipe(client).pipe(target);
  });
  for (const socket of [target, client]) socket.on('error', end).on('close', end);
});

server.listen(Number(port), host, () => console.log(`proxy listens: ${host}:${port}`));
