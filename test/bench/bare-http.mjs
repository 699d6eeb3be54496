/**
 * What node's own HTTP does with answers that are ready: `node bare-http.mjs PATH=FILE …` serves each file from memory, with no
 * header more than it must have, and prints `ready <url>`. A measure for those without nginx.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const answers = new Map(
  process.argv.slice(2).map((given) => {
    const [path, file] = given.split('=');
    return [path, readFileSync(file)];
  }),
);
const server = createServer((request, response) => {
  const body = answers.get(request.url);
  if (body === undefined) return void response.writeHead(404, ['Content-Length', '0']).end();
  response.writeHead(200, ['Content-Type', 'application/octet-stream', 'Content-Length', String(body.length)]);
  response.end(body);
});
server.listen(0, '127.0.0.1', () => console.log(`ready http://127.0.0.1:${server.address().port}`));
